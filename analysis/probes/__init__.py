"""Probes: what a model does with a prompt. One file each, named in `headscope.analysis.registry.PROBES`."""
