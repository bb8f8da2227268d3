"""Schema version 0004, frozen."""
