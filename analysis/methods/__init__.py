"""Interpretation methods, one file each, listed in `headscope.analysis.registry.METHODS`."""
