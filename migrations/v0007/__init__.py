"""Schema version 0007, frozen."""
