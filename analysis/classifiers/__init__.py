"""Text classifiers: one file each, named in `analysis.registry.CLASSIFIERS`."""
