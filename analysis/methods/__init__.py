"""Interpretation methods, one file each, listed in `analysis.registry.METHODS`."""
