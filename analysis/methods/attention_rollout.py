"""Attention rollout (Abnar and Zuidema 2020): attention followed through all layers back to the input."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import torch

from headscope.analysis.attribution.attention_rows import head_means, unsigned, with_residual
from headscope.analysis.interfaces import Method
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class AttentionRollout(Method):
    """`s = e_p A'_L ... A'_1` with `A'_l = (mean over heads of A_l + I) / 2` and p the explained position; scores
    `[position]`, unsigned, sum 1. Row l of `layer_scores [layer + 1, position]` is how the weight lies over the tokens
    that layer l reads (row 0: the input), the last row all on p."""

    NAME: ClassVar[str] = "attention_rollout"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the shared pass: a vector times L matrices."""
        started = time.perf_counter()
        patterns = with_residual(head_means(work))
        rows = [torch.nn.functional.one_hot(work.positions, patterns.shape[-1]).float()]
        for pattern in patterns.flip(0):
            rows.append(torch.einsum("bq,bqk->bk", rows[-1], pattern))
        held = torch.stack(rows[::-1], dim=1)
        return unsigned(self.NAME, work, targets, held[:, 0], ("position",), started, {}, held)
