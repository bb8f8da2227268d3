"""What version 0001 created, frozen."""
