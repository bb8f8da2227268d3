"""Probes: what a model does with a prompt. One file each, named in `analysis.registry.PROBES`."""
