"""The explained quantity for prompts with some of their tokens taken away, many variants in few passes.

What takes a removed token's place is half of the question (Sturmfels et al. 2020), so it is a choice and is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.embedding_path import (
    BYTES_PER_PASS,
    baseline_embedding,
    embedded,
    graph_bytes,
)
from headscope.analysis.attribution.variant_tree import (
    ABSENT,
    END,
    Bools,
    Float64,
    Ints,
    Variants,
    tree_cost,
    tree_values,
)
from headscope.analysis.backends.prefix import why_no_prefix
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture, TokenBatch, WhiteBoxBackend
from headscope.analysis.registry.removal import LINE_BREAK
from headscope.analysis.sentences import sentences_of
from headscope.analysis.types import Params, Target, TokenizedText
from headscope.analysis.workspace import Workspace, quantities

FORWARD_SHARE = 4  # a pass without a graph keeps about a quarter of what one with a graph keeps
WORTH_A_TREE = 0.95
"""Of what reading every variant whole costs, the share that a tree may cost."""


@dataclass(frozen=True, slots=True)
class Masking:
    """What takes a removed token's place. kind: `mean`, `token` or `delete`; replacement: the text of that token, a
    line break for the other kinds, so that two that remove alike are equal."""

    kind: str
    replacement: str = LINE_BREAK

    @classmethod
    def of(cls, settings: Params) -> Masking:
        """As the parameters `masking` and `replacement` say."""
        return cls(settings["masking"], settings["replacement"] if settings["masking"] == "token" else LINE_BREAK)

    def __str__(self) -> str:
        """For people: a token other than a line break is named."""
        return self.kind if self.replacement == LINE_BREAK else f"{self.kind} {self.replacement!r}"


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
    work: Workspace,
    targets: Sequence[Target],
    prompts: Sequence[int],
    keep: Sequence[Bools],
    masking: Masking,
    asked: Sequence[int] | None = None,
) -> Float64:
    """The explained quantity of N variants, float64 `[N]`: variant n is prompt `prompts[n]` with the tokens where
    `keep[n]` bool `[t]` is False removed; tokens after the first t, or after the explained position, are never there.
    asked: which of the targets is explained, int `[N]`; by default the prompt's.

    Equal variants are computed once, and what many begin with too, where the model can read on from it. Passes have
    bounded memory.
    """
    asked = prompts if asked is None else asked
    distinct: dict[tuple[int, bytes], int] = {}
    place: list[int] = []
    first: list[int] = []
    for n, key in enumerate(zip(asked, (mask.tobytes() for mask in keep), strict=True)):
        if key not in distinct:
            distinct[key] = len(first)
            first.append(n)
        place.append(distinct[key])
    absent = None if masking.kind == "delete" else neutral(work.backend, masking)
    owners, wanted = ([part[n] for n in first] for part in (prompts, asked))
    variants = _variants(work, owners, wanted, [keep[n] for n in first], delete=absent is None)
    whole = float(variants.lengths.sum())
    if tree_cost(variants) <= WORTH_A_TREE * whole and why_no_prefix(work.backend) is None:
        values = tree_values(work, targets, variants, absent)
    else:
        values = _one_by_one(work, targets, variants, absent)
    found: Float64 = values[place]
    return found


def _variants(
    work: Workspace, prompts: Sequence[int], asked: Sequence[int], keep: Sequence[Bools], *, delete: bool
) -> Variants:
    ends = np.minimum((work.positions.cpu().numpy() + 1)[list(prompts)], [len(mask) for mask in keep])
    places = np.full((len(keep), int(ends.max(initial=0))), END, dtype=np.int64)
    for row, mask, end in zip(places, keep, ends.tolist(), strict=True):
        kept = np.flatnonzero(mask[:end])
        if delete:
            row[: len(kept)] = kept
        else:
            row[:end] = ABSENT
            row[kept] = kept
    return Variants(np.array(prompts, dtype=np.int64), places, np.array(asked, dtype=np.int64))


def neutral(backend: WhiteBoxBackend, masking: Masking) -> Tensor:
    """The embedding `[d]` that takes a removed token's place, of any kind but `delete`. Raises InputError (kind
    `params`) for a replacement that is not one token of the model."""
    if masking.replacement == LINE_BREAK:
        return baseline_embedding(backend, "newline" if masking.kind == "token" else "mean")[1]
    ids = backend.ids_of(masking.replacement)
    if reason := _not_one(backend, masking.replacement, ids):
        raise InputError(reason, "params")
    return embedded(backend, torch.tensor(ids))[0]


def why_no_replacement(backend: WhiteBoxBackend, settings: Params) -> str | None:
    """Why the parameter `replacement`, if there is one, is of no use to this model; None when it is."""
    text = settings.get("replacement", LINE_BREAK)
    return None if text == LINE_BREAK else _not_one(backend, text, backend.ids_of(text)) or None


def _not_one(backend: WhiteBoxBackend, text: str, ids: Sequence[int]) -> str:
    if len(ids) == 1 and ids[0] < backend.info.vocab_size:
        return ""
    if len(ids) == 1:
        return f"replacement {text!r} is a token that the model has no embedding for: choose another text"
    pieces = ", ".join(map(repr, backend.decode(ids))) or "none"
    return (
        f"replacement {text!r} is {len(ids)} tokens of this model ({pieces}) and must be one: choose a text that is "
        "one token, often a short word with a space before it"
    )


def replaced_by(backend: WhiteBoxBackend, masking: Masking) -> dict[str, str]:
    """What a result's facts say of masking `token`: which one it was."""
    if masking.kind != "token":
        return {}
    if masking.replacement != LINE_BREAK:
        return {"removed tokens become": repr(masking.replacement)}
    there = baseline_embedding(backend, "newline")[0] == "newline"
    said = "a line break" if there else "the mean embedding: the model has no token for a line break"
    return {"removed tokens become": said}


def _one_by_one(work: Workspace, targets: Sequence[Target], variants: Variants, absent: Tensor | None) -> Float64:
    """Each variant read whole; those of similar length share a pass."""
    values, lengths = np.empty(len(variants)), variants.lengths
    for part in _passes(work.backend, np.argsort(lengths, kind="stable"), lengths):
        values[part] = _values(work, variants.part(part), absent, targets)
    return values


def _passes(backend: WhiteBoxBackend, order: Ints, lengths: Ints) -> Iterator[Ints]:
    """`order` (by length) cut into passes that fit into `BYTES_PER_PASS`."""
    start = 0
    for stop in range(1, len(order) + 1):
        size, longest = stop + 1 - start, lengths[order[min(stop, len(order) - 1)]]
        full = size * graph_bytes(backend.info, int(longest)) > FORWARD_SHARE * BYTES_PER_PASS
        if stop == len(order) or full:
            yield order[start:stop]
            start = stop


def _values(work: Workspace, variants: Variants, absent: Tensor | None, targets: Sequence[Target]) -> Float64:
    embeddings = variants.embeddings(work, absent)
    lengths = torch.from_numpy(variants.lengths).to(embeddings.device)
    mask = (torch.arange(embeddings.shape[1], device=embeddings.device) < lengths[:, None]).long()
    owners = variants.prompts.tolist()
    batch = TokenBatch(tuple(work.texts[owner] for owner in owners), torch.zeros_like(mask), mask, lengths)
    with torch.no_grad():
        result = work.backend.forward(batch, Capture(last_logits_only=True), embeddings=embeddings)
        found = quantities(result.logits[:, -1].float(), [targets[index] for index in variants.targets.tolist()])
    values: Float64 = found.cpu().double().numpy()
    return values
