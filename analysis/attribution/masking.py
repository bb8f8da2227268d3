"""The explained quantity for prompts with some of their tokens taken away, many variants in few passes.

What takes a removed token's place is half of the question (Sturmfels et al. 2020), so it is a choice and is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headscope.analysis.attribution.embedding_path import BYTES_PER_PASS, baseline_embedding, graph_bytes
from headscope.analysis.interfaces import Capture, TokenBatch, WhiteBoxBackend
from headscope.analysis.sentences import sentences_of
from headscope.analysis.types import Target, TokenizedText
from headscope.analysis.workspace import Workspace, quantities

Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]
FORWARD_SHARE = 4  # a pass without a graph keeps about a quarter of what one with a graph keeps


def units_of(text: TokenizedText, position: int, unit: str) -> list[Bools]:
    """The tokens that can be removed, as masks bool `[T]`: single tokens, words or sentences up to `position`.

    Never the first token, which most models use as their attention sink: without it they break down, whatever the token
    was. Never a special token, and never one that is given.
    """
    tokens = np.arange(len(text))
    removable = (tokens > 0) & (tokens <= position) & (tokens < len(text) - text.given) & ~text.special
    if unit == "token":
        return [tokens == token for token in tokens[removable]]
    labels = sentences_of(text) if unit == "sentence" else text.words
    found = [removable & (labels == label) for label in np.unique(labels[removable])]
    return [mask for mask in found if mask.any()]


def masked_values(
    work: Workspace, targets: Sequence[Target], prompts: Sequence[int], keep: Sequence[Bools], masking: str
) -> Float64:
    """The explained quantity of N variants, float64 `[N]`: variant n is prompt `prompts[n]` with the tokens where
    `keep[n]` bool `[T]` is False removed; tokens after the explained position are never there.

    Equal variants are computed once. Passes have bounded memory; variants of similar length share one.
    """
    distinct: dict[tuple[int, bytes], int] = {}
    place: list[int] = []
    first: list[int] = []
    for n, key in enumerate(zip(prompts, (mask.tobytes() for mask in keep), strict=True)):
        if key not in distinct:
            distinct[key] = len(first)
            first.append(n)
        place.append(distinct[key])
    absent = None if masking == "delete" else neutral(work.backend, masking)
    variants = [_variant(work, prompts[n], keep[n], absent) for n in first]
    owners = [prompts[n] for n in first]
    values = np.empty(len(variants))
    order = sorted(range(len(variants)), key=lambda n: len(variants[n]))
    for part in _passes(work.backend, order, [len(variant) for variant in variants]):
        values[part] = _values(work, [variants[n] for n in part], [owners[n] for n in part], targets)
    found: Float64 = values[place]
    return found


def _variant(work: Workspace, prompt: int, keep: Bools, absent: Tensor | None) -> Tensor:
    """Embeddings `[T, d]` of one variant, up to the explained position; `absent` takes the place of removed tokens."""
    end = int(work.positions[prompt]) + 1
    here = work.embeddings[prompt, :end]
    kept = torch.from_numpy(keep[:end]).to(here.device)
    return here[kept] if absent is None else torch.where(kept[:, None], here, absent)


def neutral(backend: WhiteBoxBackend, masking: str) -> Tensor:
    """The embedding `[d]` that takes a removed token's place."""
    return baseline_embedding(backend, "newline" if masking == "token" else "mean")[1]


def _passes(backend: WhiteBoxBackend, order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """`order` (by length) cut into passes that fit into `BYTES_PER_PASS`."""
    passes: list[list[int]] = []
    for n in order:
        size = len(passes[-1]) + 1 if passes else 0
        if size and size * graph_bytes(backend.info, lengths[n]) <= FORWARD_SHARE * BYTES_PER_PASS:
            passes[-1].append(n)
        else:
            passes.append([n])
    return passes


def _values(work: Workspace, variants: Sequence[Tensor], owners: Sequence[int], targets: Sequence[Target]) -> Float64:
    embeddings = torch.nn.utils.rnn.pad_sequence(list(variants), batch_first=True)
    lengths = torch.tensor([len(variant) for variant in variants], device=embeddings.device)
    mask = (torch.arange(embeddings.shape[1], device=embeddings.device) < lengths[:, None]).long()
    batch = TokenBatch(tuple(work.texts[owner] for owner in owners), torch.zeros_like(mask), mask, lengths)
    with torch.no_grad():
        result = work.backend.forward(batch, Capture(last_logits_only=True), embeddings=embeddings)
        found = quantities(result.logits[:, -1].float(), [targets[owner] for owner in owners])
    values: Float64 = found.cpu().double().numpy()
    return values
