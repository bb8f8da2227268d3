"""Logits that are no numbers: a model overflows its number format, an intervention makes it, or its weights are
damaged."""

from __future__ import annotations

import torch
from torch import Tensor

from headscope.analysis.interfaces import Capture, ForwardResult, TokenBatch, WhiteBoxBackend


def finite_rows(logits: Tensor) -> Tensor:
    """bool `[...]` from logits `[..., V]`: whether every one of a row is a number. One pass and no mask of the same
    size: NaN and infinity survive a sum."""
    return torch.isfinite(logits.detach().sum(dim=-1, dtype=torch.float32))


def in_numbers(result: ForwardResult) -> bool:
    """Whether a pass that kept its residuals has left numbers behind its last layer."""
    return bool(finite_rows(result.residuals[-1]).all())


def overflow(backend: WhiteBoxBackend, batch: TokenBatch, what: str, embeddings: Tensor | None = None) -> str:
    """The sentence on a model that gives NaN or infinity for `batch`; `what`: which of its numbers. Where interventions
    are in force another pass without them tells whether they are why."""
    name, dtype = backend.info.ref.name, backend.info.ref.dtype
    if backend.edits and _numbers_without_edits(backend, batch, embeddings):
        wider = "" if dtype == "float32" else ", or float32"
        return (
            f"with its interventions {name} computes non-finite {what} in {dtype}, and without them it computes "
            f"numbers: they make activations too large. Use smaller factors, or fewer interventions{wider}."
        )
    wider = "" if dtype == "float32" else "use float32, or "
    return (
        f"{name} computed non-finite {what} in {dtype}: the weights are damaged or the dtype is too narrow. To have "
        f"numbers there {wider}get the model again."
    )


@torch.no_grad()
def _numbers_without_edits(backend: WhiteBoxBackend, batch: TokenBatch, embeddings: Tensor | None) -> bool:
    capture = Capture(residuals=True, last_logits_only=True, non_finite=True)
    with backend.unedited():
        found = backend.forward(batch, capture, embeddings=embeddings)
    return in_numbers(found) and bool(finite_rows(found.logits).all())
