"""Model backends: one file each, named in `analysis.registry.BACKENDS`."""
