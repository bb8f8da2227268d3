"""Schema version 0012, frozen."""
