"""Logits that are no numbers: a model overflows its number format, an intervention makes it, or its weights are
damaged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from headscope.analysis.counts import plural
from headscope.analysis.interfaces import Capture, ForwardResult, TokenBatch, WhiteBoxBackend
from headscope.analysis.types import TokenizedText


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


def overflow_written(backend: WhiteBoxBackend, texts: Sequence[TokenizedText], written: Sequence[Sequence[int]]) -> str:
    """`overflow` while texts are continued; `written`: the new ids of each by then."""
    batch = backend.batch(texts)
    rows = [torch.cat([ids[:n], ids.new_tensor(new)]) for ids, n, new in
            zip(batch.input_ids, batch.lengths.tolist(), written, strict=True)]  # fmt: skip
    lengths = batch.lengths.new_tensor([len(row) for row in rows])
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = (torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]).long()
    after = plural(max(map(len, written)), "new token")
    return overflow(backend, TokenBatch(batch.texts, ids, mask, lengths), f"logits after {after}")


@torch.no_grad()
def _numbers_without_edits(backend: WhiteBoxBackend, batch: TokenBatch, embeddings: Tensor | None) -> bool:
    capture = Capture(residuals=True, last_logits_only=True, non_finite=True)
    with backend.unedited():
        found = backend.forward(batch, capture, embeddings=embeddings)
    return in_numbers(found) and bool(finite_rows(found.logits).all())
