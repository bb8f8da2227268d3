"""Layer gradients: gradient x activation at every layer and position, from one backward pass (Shrikumar et al. 2016 at
the residual stream; captum's LayerGradientXActivation at one layer)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from headscope.analysis.attribution.batches import handed_over
from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.backends.needs import unmet
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import Needs
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import InputGradient, Workspace


class LayerGradients(Method):
    """Gradient x activation of the residual stream r (`rows = stream`) or of what each layer adds to it (`written`).

    stream: `s[l, t] = r[l, t] . d value / d r[l, t]` where layer l reads; `layer_scores [L + 1, position]`, row 0 the
    embeddings (gradient x input), the last row what the final norm reads. A column that fades while the explained
    position's grows shows the layer at which that token's evidence is moved on.
    written: `s[l, t] = u[l, t] . d value / d r[l + 1, t]`, u the sum of layer l's attention and MLP updates at token t;
    `layer_scores [L, position]`: where evidence enters, first-order gain of writing a little more of it.
    scores `[position]`, signed: the mean over rows, a token's share averaged over depth.
    """

    NAME: ClassVar[str] = "layer_gradients"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the batch's shared backward pass. No completeness is promised."""
        settings = resolve_params(self.NAME, params)
        shared = work.embedding_gradient(targets)
        started = time.perf_counter()
        if (why := unmet(Needs(sublayers=settings["rows"] == "written"), work.backend)) is not None:
            reason = f"{why}: use rows=stream, which needs only the stream itself"
            return [
                failed_attribution(self.NAME, target, reason, signed=True, seconds=shared.seconds, params=settings)
                for target in targets
            ]
        rows = _stream(shared) if settings["rows"] == "stream" else _written(work, shared)
        seconds = shared.seconds + (time.perf_counter() - started) / len(targets)
        return handed_over(
            self.NAME,
            work,
            targets,
            rows.mean(1),
            ("position",),
            shared.values,
            seconds,
            settings,
            signed=True,
            layer_scores=rows,
        )


def _stream(shared: InputGradient) -> Tensor:
    """`[B, L + 1, T]`."""
    streams = (shared.embeddings, *shared.residuals)
    gradients = (shared.gradient, *shared.residual_gradients)
    return torch.stack([(r * g).float().sum(-1) for r, g in zip(streams, gradients, strict=True)], dim=1)


def _written(work: Workspace, shared: InputGradient) -> Tensor:
    """`[B, L, T]`; the updates are the same for every target, so the shared forward pass serves."""
    updates = zip(work.forward.attn_updates, work.forward.mlp_updates, shared.residual_gradients, strict=True)
    return torch.stack([((a + m).detach() * g).float().sum(-1) for a, m, g in updates], dim=1)
