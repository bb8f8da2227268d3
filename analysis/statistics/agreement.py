"""How far methods agree about one prompt: the numbers of the disagreement problem (Krishna et al. 2022), numpy only.

Importance is the size of a score, whatever its sign: an unsigned method has no other. Signs are compared by themselves.
Positions that one of two methods did not measure (NaN) are left out for that pair. A comparison that has nothing to say
is NaN, never 0: methods of equal scores everywhere, fewer positions than asked for, no common sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PAIRS_AT_ONCE = 1 << 18  # pairs of positions held in memory, times the number of methods


@dataclass(frozen=True, slots=True)
class Agreement:
    """Every method with every other on one prompt, float64 `[method, method]`, symmetric, NaN where not defined.

    tau: Kendall's tau-b of importance, -1 to 1. overlap: share of the `k` most important positions they have in common,
    0 to 1; k of n positions in random order share k / n. signs: of the positions among either's k most important, the
    share to which both give the same sign; NaN when a method has no signs. shared `[method, method]`: positions that
    both measured.
    """

    tau: Floats
    overlap: Floats
    signs: Floats
    shared: NDArray[np.int64]


def agreement(scores: Floats, signed: Sequence[bool], k: int) -> Agreement:
    """Compare methods on one prompt: `scores` `[method, position]`, NaN where a method measured nothing."""
    found = agreements(np.asarray(scores)[None], signed, k)
    return Agreement(found.tau[0], found.overlap[0], found.signs[0], found.shared[0])


def agreements(scores: Floats, signed: Sequence[bool], k: int) -> Agreement:
    """`agreement` on many prompts at once: `scores` `[prompt, method, position]`, in all of which the same methods
    measured the same positions. Every array of the answer has a first axis for the prompt."""
    values = np.asarray(scores, dtype=np.float64)
    count, methods, length = values.shape
    present = np.isfinite(values[0]) if count else np.zeros((methods, length), dtype=np.bool_)
    overlap, signs, taus = (np.full((count, methods, methods), np.nan) for _ in range(3))
    step = max(1, PAIRS_AT_ONCE // max(1, methods * length, length * length // 2))
    for start in range(0, count, step):
        part = slice(start, start + step)
        overlap[part], signs[part] = _tops(values[part], present, k)
        taus[part] = _taus(np.where(present, np.abs(values[part]), np.nan), present)
    signless = ~np.asarray(signed, dtype=np.bool_)
    signs[:, signless], signs[:, :, signless] = np.nan, np.nan
    both = present.astype(np.int64) @ present.T.astype(np.int64)
    return Agreement(taus, overlap, signs, np.broadcast_to(both, taus.shape))


def dispute(tau: Floats) -> float:
    """How much the methods of a prompt disagree: 1 - the mean tau of every pair. NaN without a pair."""
    return float(disputes(tau[None])[0])


def disputes(tau: Floats) -> Floats:
    """`dispute` of many prompts: `[prompt]` from `[prompt, method, method]`."""
    above = np.triu_indices(tau.shape[-1], 1)
    pairs = tau[:, above[0], above[1]]
    known = np.isfinite(pairs)
    counts = known.sum(1)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, 1 - np.where(known, pairs, 0.0).sum(1) / counts, np.nan)


def top_share(size: Floats, k: int) -> Floats:
    """How far each of n positions belongs to the k largest of its row, `[..., position]`; a row sums to k.

    1 or 0, and for equals at the border the chance that breaking the tie at random lets it in. NaN when all of a row
    are equal or there are not more than k.
    """
    if size.shape[-1] <= k:
        return np.full(size.shape, np.nan)
    border = np.partition(size, -k, axis=-1)[..., [-k]]
    above, at = size > border, size == border
    chance = (k - above.sum(-1, keepdims=True)) / at.sum(-1, keepdims=True)
    share = np.where(above, 1.0, np.where(at, chance, 0.0))
    return np.where(size.max(-1, keepdims=True) == size.min(-1, keepdims=True), np.nan, share)


def _tops(values: Floats, present: NDArray[np.bool_], k: int) -> tuple[Floats, Floats]:
    """Overlap and sign agreement of every two methods `[prompt, method, method]`: methods that measured the same
    positions are compared together."""
    overlap, signs = (np.full((len(values), *(present.shape[0],) * 2), np.nan) for _ in range(2))
    masks, mask_of = np.unique(present, axis=0, return_inverse=True)
    for one, other in combinations_with_replacement(range(len(masks)), 2):
        rows, columns = (np.flatnonzero(mask_of == index) for index in (one, other))
        both = np.flatnonzero(masks[one] & masks[other])
        blocks = _block(values[:, rows[:, None], both], values[:, columns[:, None], both], k)
        for whole, block in zip((overlap, signs), blocks, strict=True):
            whole[:, rows[:, None], columns], whole[:, columns[:, None], rows] = block, block.swapaxes(1, 2)
    own = np.arange(present.shape[0])
    overlap[:, own, own] = np.where(np.isfinite(overlap[:, own, own]), 1.0, np.nan)
    return overlap, signs


def _block(a: Floats, b: Floats, k: int) -> tuple[Floats, Floats]:
    """Overlap and sign agreement of the rows of `a` `[prompt, method, position]` with those of `b`, over positions that
    all of them measured."""
    top_a, top_b = top_share(np.abs(a), k), top_share(np.abs(b), k)
    shape = (len(a), a.shape[1], b.shape[1])
    overlap = top_a @ top_b.swapaxes(1, 2) / k if a.shape[-1] else np.full(shape, np.nan)
    product = np.sign(a)[:, :, None] * np.sign(b)[:, None]
    weight = np.where(product == 0, 0.0, 1 - (1 - top_a)[:, :, None] * (1 - top_b)[:, None])  # 0 has no sign
    total = weight.sum(-1)
    with np.errstate(invalid="ignore"):
        signs = np.where(total > 0, (weight * (product > 0)).sum(-1) / total, np.nan)
    return overlap, signs


def _taus(size: Floats, present: NDArray[np.bool_]) -> Floats:
    """Kendall's tau-b of every two rows over the positions both have, `[prompt, method, method]`.

    The order of every pair of positions is -1, 0 (equal) or 1: concordance and ties are then matrix products.
    """
    prompts, count, length = size.shape
    concordance, untied = (np.zeros((prompts, count, count)) for _ in range(2))
    rows = max(1, PAIRS_AT_ONCE // max(1, length * prompts))
    filled = np.where(present, size, 0.0)
    for start in range(0, length, rows):
        first = np.arange(start, min(start + rows, length))
        one, other = np.nonzero(first[:, None] < np.arange(length))
        one += start
        known = present[:, one] & present[:, other]
        order = np.where(known, np.sign(filled[:, :, one] - filled[:, :, other]), 0.0)
        concordance += order @ order.swapaxes(1, 2)
        untied += np.abs(order) @ known.astype(np.float64).T
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = concordance / np.sqrt(untied * untied.swapaxes(1, 2))
    return np.asarray(np.where(np.isfinite(tau), tau, np.nan), dtype=np.float64)
