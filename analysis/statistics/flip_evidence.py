"""What changed inside a model for one prompt: the tokens and the heads that moved most between two runs of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Attribution, HeadSummary

POSITION, HEADS = ("position",), ("layer", "head")
SHARES = (
    "entropy_normalised",
    "previous_token",
    "first_token",
    "self_attention",
    "duplicate_token",
    "induction",
    "max_weight",
    "missing_mass",
)
"""Statistics of heads that lie between 0 and 1, so that their differences can be ranked together."""
LOOKS = "attention"
FIRST = ("attn_lrp", "integrated_gradients", "occlusion")
"""Whose scores are taken where there are several: those with the largest gain over random orders (docs/methods.md)."""
MOST = 3


@dataclass(frozen=True, slots=True)
class Inside:
    """What is stored of one run. tokens: texts of the prompt's tokens."""

    tokens: tuple[str, ...]
    attributions: tuple[Attribution, ...]
    heads: HeadSummary | None


@dataclass(frozen=True, slots=True)
class TokenShift:
    """A token of the prompt and its score in both runs (unit of the method)."""

    position: int
    token: str
    baseline: float
    candidate: float


@dataclass(frozen=True, slots=True)
class HeadShift:
    """A head, a statistic of where it looks (or the method that scored its effect), and its value in both runs."""

    layer: int
    head: int
    statistic: str
    baseline: float
    candidate: float


@dataclass(frozen=True, slots=True)
class FlipEvidence:
    """tokens, heads: the largest differences first, at most `MOST`. method: whose scores the tokens have. heads_by: the
    method that scored heads, `LOOKS` where only their attention was summed up. no_tokens, no_heads: why there are none.
    """

    method: str = ""
    tokens: tuple[TokenShift, ...] = ()
    heads_by: str = ""
    heads: tuple[HeadShift, ...] = ()
    no_tokens: str = ""
    no_heads: str = ""


def flip_evidence(baseline: Inside, candidate: Inside) -> FlipEvidence:
    """The scores of tokens by one method (of `FIRST`, else a signed one) that explained the same target in both runs
    with the same parameters; the effects of heads by such a method, else the shares of attention of `SHARES`.

    Attribution and attention say where the runs differ, not what caused the flip.
    """
    method, tokens, no_tokens = _tokens(baseline, candidate)
    heads_by, heads, no_heads = _heads(baseline, candidate)
    return FlipEvidence(method, tokens, heads_by, heads, no_tokens, no_heads)


def _tokens(a: Inside, b: Inside) -> tuple[str, tuple[TokenShift, ...], str]:
    if a.tokens != b.tokens:
        return "", (), "the two models cut the prompt into different tokens"
    if (pair := _shared(a.attributions, b.attributions, POSITION)) is None:
        return "", (), "no method explained the same target over tokens in both runs"
    old, new = pair
    found = [
        TokenShift(at[0], a.tokens[at[0]], before, after) for at, before, after in _largest(old.scores, new.scores)
    ]
    return old.method, tuple(found), ""


def _heads(a: Inside, b: Inside) -> tuple[str, tuple[HeadShift, ...], str]:
    if (pair := _shared(a.attributions, b.attributions, HEADS)) is not None:
        old, new = pair
        found = [
            HeadShift(at[0], at[1], old.method, before, after) for at, before, after in _largest(old.scores, new.scores)
        ]
        return old.method, tuple(found), ""
    if a.heads is None or b.heads is None:
        return "", (), "no summaries of heads are stored in both runs"
    if a.heads.entropy.shape != b.heads.entropy.shape:
        return "", (), "the two models have other numbers of layers or heads"
    olds, news = (np.stack([getattr(side.heads, name) for name in SHARES], axis=-1) for side in (a, b))
    shifts = [HeadShift(at[0], at[1], SHARES[at[2]], before, after) for at, before, after in _largest(olds, news)]
    return LOOKS, tuple(shifts), ""


def _shared(
    ours: Sequence[Attribution], theirs: Sequence[Attribution], axes: tuple[str, ...]
) -> tuple[Attribution, Attribution] | None:
    """The first pair of scores that can be held against each other."""
    usable = [item for item in ours if item.axes == axes and item.error is None and item.outcome.converged is not False]
    for old in sorted(usable, key=order):
        for new in theirs:
            if new.error is None and new.outcome.converged is not False and _alike(old, new):
                return old, new
    return None


def order(item: Attribution) -> tuple[int, bool]:
    """Sorts the scores of several methods: those of `FIRST` before signed ones before sizes."""
    return FIRST.index(item.method) if item.method in FIRST else len(FIRST), not item.signed


def _alike(old: Attribution, new: Attribution) -> bool:
    same = ("method", "quantity", "target", "foil", "axes", "params")
    return old.scores.shape == new.scores.shape and all(getattr(old, name) == getattr(new, name) for name in same)


def _largest(old: NDArray[np.float32], new: NDArray[np.float32]) -> list[tuple[tuple[int, ...], float, float]]:
    """Places of the largest differences with both values; those that were measured on one side only are left out."""
    apart = np.abs(new.astype(np.float64) - old.astype(np.float64))
    order = np.argsort(-np.where(np.isfinite(apart), apart, -1.0), axis=None, kind="stable")[:MOST]
    places = [tuple(int(i) for i in np.unravel_index(flat, apart.shape)) for flat in order]
    return [(at, float(old[at]), float(new[at])) for at in places if np.isfinite(apart[at]) and apart[at] > 0]
