"""What a removal test removes units for: one next token of a text, or several together, one summand for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headscope.analysis.attribution.masking import Masking, masked_values
from headscope.analysis.attribution.variant_tree import Bools, Float64
from headscope.analysis.types import Target
from headscope.analysis.workspace import Workspace

AT_ONCE = 1 << 14
"""Most variants that are made ready together."""


@dataclass(frozen=True, slots=True)
class Summand:
    """The quantity of `target` after the first `length` tokens of text `text` of a workspace. sign: -1 of a foil."""

    text: int
    length: int
    target: Target
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Explained:
    """A sum of summands that begin with the same prompt: that of text `text`, but its given tokens."""

    text: int
    summands: tuple[Summand, ...]


def next_tokens(work: Workspace, targets: Sequence[Target]) -> list[Explained]:
    """The one next token of each prompt."""
    ends = (work.positions + 1).tolist()
    rows = enumerate(zip(ends, targets, strict=True))
    return [Explained(index, (Summand(index, end, target),)) for index, (end, target) in rows]


def summed_values(
    work: Workspace, explained: Sequence[Explained], owners: Sequence[int], keep: Sequence[Bools], masking: Masking
) -> Float64:
    """The quantity of N variants, float64 `[N]`: variant n is that of `explained[owners[n]]` without the tokens of its
    prompt where `keep[n]` bool `[t]` is False; later ones stay. As in `masked_values`."""
    targets = [one.target for each in explained for one in each.summands]
    starts = np.cumsum([0, *(len(each.summands) for each in explained)])
    rows = [
        (n, int(starts[owner]) + place, one)
        for n, owner in enumerate(owners)
        for place, one in enumerate(explained[owner].summands)
    ]
    found = np.zeros(len(keep))
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        masks = [_stretched(keep[n], one.length) for n, _, one in part]
        texts, asked = [one.text for _, _, one in part], [target for _, target, _ in part]
        values = masked_values(work, targets, texts, masks, masking, asked)
        np.add.at(found, [n for n, _, _ in part], values * [one.sign for _, _, one in part])
    return found


def _stretched(mask: Bools, length: int) -> Bools:
    found = np.ones(length, dtype=np.bool_)
    found[: len(mask)] = mask[:length]
    return found
