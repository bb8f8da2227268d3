"""Attention averaged over heads, and over layers or of the last one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from headscope.analysis.attribution.attention_rows import explained_rows, unsigned
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class AttentionMean(Method):
    """`s_t`: mean over heads (and layers) of the weight on token t of the query at the explained position; scores
    `[position]`, unsigned, sum 1. The simplest summary of attention, and a baseline for the others."""

    NAME: ClassVar[str] = "attention_mean"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the shared pass; `layer_scores [layer, position]` with all layers."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        per_layer = explained_rows(work).mean(2)
        if settings["layers"] == "last":
            return unsigned(self.NAME, work, targets, per_layer[:, -1], ("position",), started, settings)
        return unsigned(self.NAME, work, targets, per_layer.mean(1), ("position",), started, settings, per_layer)
