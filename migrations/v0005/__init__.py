"""Schema version 0005, frozen."""
