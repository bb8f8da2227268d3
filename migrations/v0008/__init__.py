"""Schema version 0008, frozen."""
