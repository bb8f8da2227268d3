"""The logit lens at every layer and position (nostalgebraist 2020): what the model would say if it stopped there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.types import LensTable, Target
from headscope.analysis.workspace import Workspace, chunk_rows


def measure(work: Workspace, targets: Sequence[Target]) -> list[LensTable]:
    """One LensTable per prompt; the same whatever is explained."""
    return lens_tables(work)


def lens_tables(work: Workspace) -> list[LensTable]:
    """One LensTable per prompt: an unembedding for every layer and real token, several times the cost of the forward.

    Vocabulary-wide rows exist in chunks of bounded size only.
    """
    mask = work.batch.attention_mask.bool()
    states = torch.stack([layer.detach()[mask] for layer in work.forward.residuals])  # [L, N, d]
    n_layers, n_rows, width = states.shape
    ids, probs, entropies = _unembed_rows(work, states.reshape(-1, width))
    texts = np.array(work.decode(ids), dtype=object).reshape(n_layers, n_rows)
    shaped = [values.reshape(n_layers, n_rows).numpy() for values in (ids.to(torch.int32), probs, entropies)]
    tables, start = [], 0
    for length in work.batch.lengths.tolist():
        span = slice(start, start + length)
        top_ids, top_probs, entropy = (values[:, span].copy() for values in shaped)
        tables.append(LensTable(top_ids, top_probs, tuple(map(tuple, texts[:, span].tolist())), entropy))
        start += length
    return tables


def _unembed_rows(work: Workspace, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals `[N, d]` to top-1 id, its probability, and entropy (nats), each `[N]`."""
    parts = []
    with torch.no_grad():
        for chunk in torch.split(states, chunk_rows(work.backend.info.vocab_size)):
            logprobs = work.backend.unembed(chunk).float()
            logprobs -= torch.logsumexp(logprobs, dim=-1, keepdim=True)
            top = logprobs.max(-1)
            parts.append((top.indices, top.values.exp(), -(logprobs.exp().mul_(logprobs)).sum(-1)))
    ids, probs, entropies = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    return ids, probs, entropies
