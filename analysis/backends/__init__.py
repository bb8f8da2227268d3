"""Model backends: one file each, named in `headscope.analysis.registry.BACKENDS`."""
