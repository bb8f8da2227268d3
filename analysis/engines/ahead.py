"""Imported by the process that workers are forked from: what they share is there when they begin."""

from __future__ import annotations

from headscope.analysis.imports import importing

with importing("headscope.analysis.engines.worker"):
    from headscope.analysis.engines import worker

__all__ = ["worker"]
