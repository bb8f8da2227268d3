"""Text classifiers: one file each, named in `headscope.analysis.registry.CLASSIFIERS`."""
