"""One constant that is part of every result's identity (`headscope.analysis.types.result_key`)."""

CODE_VERSION = "5"
"""Bump whenever a change makes any stored number differ; results of other versions are then computed anew."""
