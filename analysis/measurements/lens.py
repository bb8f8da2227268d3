"""The logit lens at every layer and position (nostalgebraist 2020): what the model would say if it stopped there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.finite import finite_rows
from headscope.analysis.measurements.trace import decoded
from headscope.analysis.types import LensTable, Target
from headscope.analysis.vocabulary import logit_blocks
from headscope.analysis.workspace import Workspace


def measure(work: Workspace, targets: Sequence[Target]) -> list[LensTable]:
    """One LensTable per prompt; the same whatever is explained."""
    return lens_tables(work)


def lens_tables(work: Workspace) -> list[LensTable]:
    """One LensTable per prompt: an unembedding for every layer and real token, several times the cost of the forward.

    Vocabulary-wide rows exist in chunks of bounded size only.
    """
    if (readable := work.readable) is not work:
        return [_with_rest(lens_tables(readable)[0], len(work.texts[0]))]
    mask = work.batch.attention_mask.bool()
    states = torch.stack([layer.detach()[mask] for layer in work.forward.residuals])  # [L, N, d]
    n_layers, n_rows, width = states.shape
    ids, probs, entropies = _unembed_rows(work, states.reshape(-1, width))
    texts = np.array(decoded(work, ids), dtype=object).reshape(n_layers, n_rows)
    shaped = [values.reshape(n_layers, n_rows).numpy() for values in (ids.to(torch.int32), probs, entropies)]
    tables, start = [], 0
    for length in work.batch.lengths.tolist():
        span = slice(start, start + length)
        top_ids, top_probs, entropy = (values[:, span].copy() for values in shaped)
        tables.append(LensTable(top_ids, top_probs, tuple(map(tuple, texts[:, span].tolist())), entropy))
        start += length
    return tables


def _with_rest(table: LensTable, length: int) -> LensTable:
    """The table of a start of a text, with nothing known of what comes after it."""
    known = table.top_ids.shape[1]
    wider = ((0, 0), (0, length - known))
    return LensTable(
        np.pad(table.top_ids, wider, constant_values=-1),
        np.pad(table.top_probs, wider, constant_values=np.nan),
        tuple((*row, *(("",) * (length - known))) for row in table.top_texts),
        np.pad(table.entropies, wider, constant_values=np.nan),
    )


def _unembed_rows(work: Workspace, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals `[N, d]` to top-1 id, its probability, and entropy (nats), each `[N]`; -1 and NaN where the logits are
    no numbers."""
    parts = []
    with torch.no_grad():
        for _, logits in logit_blocks(work.backend, states):
            bad = ~finite_rows(logits)
            logprobs = logits.sub_(torch.logsumexp(logits, dim=-1, keepdim=True))
            top = logprobs.max(-1)
            entropies = -(logprobs.exp().mul_(logprobs)).sum(-1)
            numbers = (values.masked_fill(bad, torch.nan) for values in (top.values.exp(), entropies))
            parts.append((top.indices.masked_fill(bad, -1), *numbers))
    ids, probs, entropies = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    return ids, probs, entropies
