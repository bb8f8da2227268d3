"""What version 0015 added, frozen: sums over runs of what was measured of every head."""
