"""Attention x gradient (Barkan et al. 2021; Chefer et al. 2021): attention weighed by what it does to the value."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import torch

from headscope.analysis.attribution.batches import handed_over
from headscope.analysis.interfaces import Method
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class AttentionXGradient(Method):
    """`s[l, h, t] = sum over queries q of a[q, t] * d value / d a[q, t]`: first-order share of what head h of layer l
    reads from token t, whoever reads it; scores `[layer, head, position]`, signed. Unlike raw attention it knows the
    target: a head whose reading speaks against it is negative."""

    NAME: ClassVar[str] = "attention_x_gradient"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the batch's shared backward pass."""
        started = time.perf_counter()
        shared = work.embedding_gradient(targets)
        pairs = zip(shared.attentions, shared.attention_gradients, strict=True)
        scores = torch.stack([(weights * gradient).float().sum(2) for weights, gradient in pairs], dim=1)
        seconds = shared.seconds + (time.perf_counter() - started) / len(targets)
        axes = ("layer", "head", "position")
        return handed_over(self.NAME, work, targets, scores, axes, shared.values, seconds, {}, signed=True)
