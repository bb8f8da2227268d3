"""Schema version 0010, frozen."""
