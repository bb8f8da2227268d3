"""Numbers for comparing two runs on units both have: groups of tokens that cover the same characters or words.

Pure functions of arrays and an alignment; no torch, no Dash, no store. A unit that one side lacks is NaN there, and so
is every difference with it. U is the number of units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.alignment import Kind, Range, align
from headscope.analysis.attribution.results import WordRule
from headscope.analysis.types import Target, TokenizedText, TokenTrace
from headscope.dashboard.units import in_bits

Floats = NDArray[np.float64]
NOT_FINITE = 0x7C00
"""From this code on a half is infinite, not a number, or negative."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Token ranges (half-open) of A and B that belong together, and their exact texts; None on a side that lacks it."""

    a: Range
    b: Range
    kind: Kind
    text_a: str | None
    text_b: str | None

    @property
    def label(self) -> str:
        """One text when the sides agree (up to white space in front), else both."""
        if self.text_a is None or self.text_b is None:
            return self.text_a or self.text_b or ""
        same = self.text_a == self.text_b or self.kind == "equal"
        return self.text_a if same else f"{self.text_a} → {self.text_b}"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of units left out because nothing changed there: `[start, stop)`."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A next-token candidate of either side. A probability is NaN where the token is not among the stored candidates;
    it is then at most `bound`, the smallest stored probability of that side. Ranks count from 1, None when unknown.
    role: `target` or `foil` when it is that of either side."""

    text: str
    prob_a: float
    prob_b: float
    bound_a: float
    bound_b: float
    rank_a: int | None
    rank_b: int | None
    role: str = ""

    @property
    def difference(self) -> float:
        """A - B, NaN when one is unknown."""
        return self.prob_a - self.prob_b


def units(a: TokenizedText, b: TokenizedText) -> tuple[Unit, ...]:
    """The alignment of two tokenized texts with the texts of its units."""
    return tuple(Unit(pair.a, pair.b, pair.kind, _text(a, pair.a), _text(b, pair.b)) for pair in align(a, b))


def _text(tokens: TokenizedText, span: Range) -> str | None:
    return "".join(tokens.texts[span[0] : span[1]]) if span[1] > span[0] else None


def group_sums(values: NDArray[np.floating], ranges: Sequence[Range]) -> Floats:
    """float64 `[U]`: sum of `values` `[T]` per range; NaN for an empty range or one with an unmeasured value."""
    return np.array(
        [np.sum(values[start:stop], dtype=np.float64) if stop > start else np.nan for start, stop in ranges],
        dtype=np.float64,
    )


def group_scores(values: NDArray[np.floating], ranges: Sequence[Range], rule: WordRule) -> Floats:
    """float64 `[U]`: scores of tokens `[T]` as scores of units, by `attributions.word_rule`; NaN as above."""
    wide = np.asarray(values, dtype=np.float64)
    if rule == "sum":
        return group_sums(wide, ranges)
    if rule == "norm":
        return np.sqrt(group_sums(wide**2, ranges))
    return np.array([np.max(wide[start:stop]) if stop > start else np.nan for start, stop in ranges], dtype=np.float64)


def surprisal_bits(logprobs: NDArray[np.float32], ranges: Sequence[Range]) -> Floats:
    """float64 `[U]`, bits: the surprisal of a unit is the sum over its tokens, so it does not depend on how a tokenizer
    cuts it. NaN where the first token of the text, which has none, takes part."""
    return in_bits(-group_sums(logprobs, ranges))


def shares(scores: NDArray[np.floating]) -> Floats:
    """Scores divided by the sum of their absolute values, so that runs with other scales can be compared."""
    total = np.nansum(np.abs(scores), dtype=np.float64)
    return np.asarray(scores, dtype=np.float64) / (total if total > 0 else np.nan)


def pool_attention(weights: NDArray[np.floating], ranges: Sequence[Range]) -> NDArray[np.floating]:
    """`[..., U, U]` from attention `[..., query, key]`: summed over a unit's keys, averaged over its queries.

    Rows still add up to 1 when the ranges cover every token. Rows and columns of empty ranges are NaN. float32, or
    float64 from float64: a long prompt has a hundred million weights.
    """
    values = widened(weights)
    if list(ranges) == [(index, index + 1) for index in range(values.shape[-1])]:
        return values  # a unit is a token, as in most pairs of one model: nothing to move about
    by_query = (
        _row_sums(values, ranges) / np.array([max(1, stop - start) for start, stop in ranges], values.dtype)[:, None]
    )
    by_key = _row_sums(np.ascontiguousarray(np.swapaxes(by_query, -1, -2)), ranges)
    return np.swapaxes(by_key, -1, -2)


def widened(weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """The same numbers as float32, or float64 from float64. Many weights of a long prompt are subnormal in half
    precision, which NumPy converts ten times slower than others: so the bits are moved and the exponent is scaled."""
    if weights.dtype != np.float16 or weights.view(np.uint16).max(initial=0) >= NOT_FINITE:
        return np.asarray(weights, dtype=np.result_type(weights, np.float32))
    values: NDArray[np.floating] = np.left_shift(weights.view(np.uint16), 13, dtype=np.uint32).view(np.float32)
    values *= np.float32(2.0**112)
    return values


def _row_sums(values: NDArray[np.floating], ranges: Sequence[Range]) -> NDArray[np.floating]:
    """`[..., U, n]`: sums of the rows of `values` `[..., T, n]` in each range; most ranges hold one row."""
    starts, stops = np.array(ranges, dtype=np.intp).reshape(-1, 2).T
    sizes = stops - starts
    total: NDArray[np.floating] = np.take(values, np.minimum(starts, values.shape[-2] - 1), axis=-2)
    for extra in range(1, int(sizes.max(initial=0))):
        longer = np.flatnonzero(sizes > extra)
        total[..., longer, :] += values[..., starts[longer] + extra, :]
    total[..., sizes == 0, :] = np.nan
    return total


def attention_changes(
    a: NDArray[np.floating], b: NDArray[np.floating], ranges_a: Sequence[Range], ranges_b: Sequence[Range]
) -> Floats:
    """float64 `[layer, head]`: `attention_change` of every head of attention `[layer, head, query, key]`. Head by head:
    what one of a long prompt takes stays in the processor's cache."""
    change = np.empty(a.shape[:2], dtype=np.float64)
    for head in np.ndindex(change.shape):
        change[head] = attention_change(pool_attention(a[head], ranges_a), pool_attention(b[head], ranges_b))
    return change


def attention_change(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    """float64 `[...]` from pooled attention `[..., U, U]` of both sides: how much of its attention a head moved.

    Mean over the queries both sides have of the total variation distance, half the sum of absolute differences over
    keys. A key that one side lacks weighs nothing there. 0 is the same pattern, 1 no overlap; NaN without a common one.
    """
    present_a, present_b = (~np.isnan(np.diagonal(side, axis1=-2, axis2=-1)) for side in (a, b))
    difference = _filled(a) - _filled(b)
    moved = np.abs(difference, out=difference).sum(axis=-1) / 2  # a row is summed pairwise: float32 is exact enough
    both = present_a & present_b
    count = both.sum(axis=-1)
    total = (moved * both).sum(axis=-1, dtype=np.float64)
    result: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result


def _filled(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.nan_to_num(values) if np.isnan(values[..., -1, :]).any() or np.isnan(values[..., :, -1]).any() else values


def top_heads(change: Floats, count: int = 6) -> tuple[tuple[int, int, float], ...]:
    """(layer, head, value) of the largest values of `[layer, head]`, largest first; NaN left out."""
    flat = np.where(np.isnan(change), -np.inf, change).ravel()
    order = np.argsort(-flat, kind="stable")[:count]
    heads = change.shape[1]
    return tuple((int(i // heads), int(i % heads), float(flat[i])) for i in order if np.isfinite(flat[i]))


Targets = tuple[Target | None, Target | None]


def candidate_union(
    a: TokenTrace, b: TokenTrace, same_tokenizer: bool, targets: Targets = (None, None)
) -> tuple[Candidate, ...]:
    """What both sides expect after the whole text: given targets and foils, which are measured whatever their rank, and
    then the most likely (by the larger of the two probabilities).

    Matched by token id with one tokenizer, by decoded text with two; then ids that read the same are added up.
    """
    side_a, side_b = (_last_candidates(trace, same_tokenizer) for trace in (a, b))
    bound_a, bound_b = (float(np.exp(trace.topk_logprobs[-1].min())) for trace in (a, b))
    roles: dict[int | str, str] = {}
    for side, target in zip((side_a, side_b), targets, strict=True):
        for role, key, entry in _given(target, same_tokenizer):
            side.setdefault(key, entry)
            roles.setdefault(key, role)
    unknown = ("", float("nan"), None)
    rows = []
    for key in [*side_a, *(key for key in side_b if key not in side_a)]:
        text_a, prob_a, rank_a = side_a.get(key, unknown)
        text_b, prob_b, rank_b = side_b.get(key, unknown)
        role = roles.get(key, "")
        rows.append(Candidate(text_a or text_b, prob_a, prob_b, bound_a, bound_b, rank_a, rank_b, role))
    order = ("target", "foil", "")
    return tuple(sorted(rows, key=lambda row: (order.index(row.role), -np.nanmax([row.prob_a, row.prob_b, 0]))))


Entry = tuple[str, float, int | None]


def _given(target: Target | None, by_id: bool) -> list[tuple[str, int | str, Entry]]:
    """(role, key, what is known of it) of a target and a foil that somebody wrote."""
    if target is None or target.chosen != "given":
        return []
    found: list[tuple[str, int | str, Entry]] = [
        ("target", target.token_id if by_id else target.text,
         (target.text, float(np.exp(target.logprob)), target.rank if target.rank > 0 else None))
    ]  # fmt: skip
    if target.foil_text is not None:
        entry = (
            target.foil_text,
            float(np.exp(target.foil_logprob)),
            target.foil_rank if target.foil_rank > 0 else None,
        )
        found.append(("foil", target.foil_id if by_id else target.foil_text, entry))
    return found


def _last_candidates(trace: TokenTrace, by_id: bool) -> dict[int | str, Entry]:
    found: dict[int | str, Entry] = {}
    rows = zip(trace.topk_ids[-1].tolist(), trace.topk_texts[-1], np.exp(trace.topk_logprobs[-1]).tolist(), strict=True)
    for rank, (token_id, text, prob) in enumerate(rows, start=1):
        key: int | str = token_id if by_id else text
        before = found.get(key)
        found[key] = (text, prob, rank) if before is None else (text, before[1] + prob, before[2])
    return found


def changed_units(
    rows: Sequence[Unit], a: NDArray[np.floating], b: NDArray[np.floating], threshold: float
) -> tuple[bool, ...]:
    """Which units differ: in their text, by more than `threshold` in the numbers `[unit]` of both sides, or in that
    only one side has a number."""
    apart = (np.abs(a - b) > threshold) | (np.isnan(a) != np.isnan(b))
    return tuple(unit.kind != "equal" or bool(moved) for unit, moved in zip(rows, apart, strict=True))


def with_gaps(changed: Sequence[bool], context: int = 1, shortest: int = 3) -> tuple[int | Gap, ...]:
    """Indexes to show: changed ones and `context` neighbours; other stretches of `shortest` or more become a Gap."""
    near = [any(changed[max(0, i - context) : i + context + 1]) for i in range(len(changed))]
    shown: list[int | Gap] = []
    index = 0
    while index < len(near):
        stop = index
        while stop < len(near) and not near[stop]:
            stop += 1
        if stop - index >= shortest:
            shown.append(Gap(index, stop))
        else:
            shown.extend(range(index, stop))
        if stop < len(near):
            shown.append(stop)
        index = stop + 1
    return tuple(shown)


def largest(*arrays: NDArray[np.floating]) -> float:
    """The largest absolute measured value of all arrays: the shared scale of compared panels; 0 when there is none."""
    return max((float(np.nanmax(np.abs(x))) for x in arrays if x.size and not np.all(np.isnan(x))), default=0.0)
