"""Counterfactual pairs: the same sentence about different groups, and what the difference does to a measure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.effects import Effect, adjusted, coded, paired_effect
from headscope.analysis.statistics.pair_members import Members
from headscope.analysis.statistics.pair_shapes import Shape, Vocabulary, shapes
from headscope.analysis.statistics.pair_words import template_of
from headscope.analysis.statistics.resampling import Dealt

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
__all__ = ["ALL", "OTHERS", "Contrast", "Members", "PairDifference", "Pairs", "by_template", "contrast", "contrasts"]
OTHERS = "all others"
ALL = "all"


@dataclass(frozen=True, slots=True)
class PairDifference:
    """`a` minus `b` in one pair; with more than two groups `b` is the mean of all others (then `b_run` is one of them).

    wording: the pair's text with the words that differ taken out. template: what it shares with other pairs: the name
    of the wording, or the wording itself where it has no name. filler: the words that differ.
    """

    pair_id: str
    template: str
    wording: str
    filler: str
    difference: float
    a_run: str
    b_run: str
    a_text: str
    b_text: str
    a_value: float
    b_value: float


@dataclass(frozen=True, slots=True, eq=False)
class Pairs(Sequence[PairDifference]):
    """Pairs as columns: a `PairDifference` is made when one is asked for, and of a slice for each in it.

    sides: int64 `[pair, 2]`, which members are `a` and (one of) `b`; values: float64 `[pair, 2]`; template, filler:
    int64 `[pair]`, numbers of `vocabulary`.
    """

    members: Members
    sides: Ints
    values: Floats
    template: Ints
    filler: Ints
    vocabulary: Vocabulary

    @property
    def differences(self) -> Floats:
        """`a` minus `b`, `[pair]`."""
        return self.values[:, 0] - self.values[:, 1]

    @property
    def shown(self) -> dict[int, str]:
        """Every template's number -> the wording of the first of its pairs."""
        numbers, first = np.unique(self.template, return_index=True)
        return {int(numbers[i]): self[int(first[i])].wording for i in np.argsort(first)}

    def at(self, index: Ints) -> Pairs:
        """Some of them, in this order."""
        return replace(
            self,
            sides=self.sides[index],
            values=self.values[index],
            template=self.template[index],
            filler=self.filler[index],
        )

    def __len__(self) -> int:
        return len(self.sides)

    @overload
    def __getitem__(self, at: int) -> PairDifference: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[PairDifference, ...]: ...
    def __getitem__(self, at: int | slice) -> PairDifference | tuple[PairDifference, ...]:
        if isinstance(at, slice):
            return tuple(self._pair(i) for i in range(*at.indices(len(self))))
        return self._pair(range(len(self))[at])

    def __iter__(self) -> Iterator[PairDifference]:
        return (self._pair(i) for i in range(len(self)))

    def _pair(self, i: int) -> PairDifference:
        a, b = self.sides[i].tolist()
        (a_value, b_value), all_of, words = self.values[i].tolist(), self.members, self.vocabulary
        texts = all_of.text[a], all_of.text[b]
        return PairDifference(
            all_of.pair_id[a], words.templates[self.template[i]], template_of(texts), words.fillers[self.filler[i]],
            a_value - b_value, all_of.run_id[a], all_of.run_id[b], *texts, a_value, b_value,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """One row: group `a` against `b` on one model, set and attribute. adjusted_p: Benjamini-Hochberg over the table.
    pairs: the largest difference first."""

    model: str
    prompt_set: str
    attribute: str
    a: str
    b: str
    effect: Effect
    adjusted_p: float
    pairs: Pairs = field(repr=False)

    @property
    def key(self) -> str:
        """Names the row in a link."""
        return "|".join((self.model, self.prompt_set, self.attribute, self.a, self.b))


Key = tuple[str, str, str, str, str]


def contrasts(members: Members, *, pooled: bool = False) -> list[Contrast]:
    """Every comparison of groups that the pairs allow, the surest first; one row per tag, or all `pooled`.

    Two groups in a pair are compared with each other, the first in the alphabet minus the second; with more, each is
    compared with the mean of the others of its pair. Pairs of one template, and of one filler, are drawn and flipped
    together.
    """
    rows, dealt = _rows(members, pooled=pooled), Dealt()
    effects = [_effect(pairs, dealt) for pairs in rows.values()]
    p_values = adjusted([effect.p for effect in effects])
    made = [
        Contrast(*key, effect, float(p), _largest_first(pairs))
        for (key, pairs), effect, p in zip(rows.items(), effects, p_values, strict=True)
    ]
    return sorted(made, key=lambda row: (np.isnan(row.adjusted_p), row.adjusted_p, -abs(row.effect.mean), row.key))


def contrast(members: Members, key: str, *, pooled: bool = False) -> Contrast | None:
    """The row of `contrasts` with this key, None when there is none, without the effects of the others: its adjusted
    p, which would need them, is NaN."""
    places = list(zip(members.model, members.prompt_set, strict=True))
    wanted = {place for place in set(places) if key.startswith("|".join((*place, "")))}
    mine = [i for i, place in enumerate(places) if place in wanted]
    for found, pairs in _rows(members.only(mine), pooled=pooled).items():
        if "|".join(found) == key:
            return Contrast(*found, _effect(pairs, Dealt()), float("nan"), _largest_first(pairs))
    return None


def by_template(pairs: Pairs) -> list[tuple[str, float, int]]:
    """Every template as one of its wordings, with mean difference and number of pairs, the largest first: how much the
    wording decides."""
    number = coded(pairs.template)
    counts = np.bincount(number)
    means = np.bincount(number, pairs.differences) / counts
    rows = zip(pairs.shown.values(), means.tolist(), counts.tolist(), strict=True)
    return sorted(rows, key=lambda row: -row[1])


def _rows(members: Members, *, pooled: bool) -> dict[Key, Pairs]:
    """The pairs of every row."""
    blocks: dict[Key, list[Pairs]] = {}
    found, vocabulary = shapes(members)
    for shape in found:
        for a, b, sides, values in _compared(members.value, shape):
            pairs = Pairs(members, sides, values, shape.template, shape.filler, vocabulary)
            for attribute in (ALL,) if pooled else shape.kinds:
                blocks.setdefault((shape.model, shape.prompt_set, attribute, a, b), []).append(pairs)
    return _distinct({key: _joined(mine) for key, mine in blocks.items()})


def _compared(value: Floats, shape: Shape) -> Iterator[tuple[str, str, Ints, Floats]]:
    groups, index = shape.groups, shape.index
    values = value[index]
    if len(groups) == 2:
        yield groups[0], groups[1], index, values
        return
    rows = np.arange(len(index))
    for i, group in enumerate(groups):
        others = np.delete(np.arange(len(groups)), i)
        mean = values[:, others].mean(axis=1)
        nearest = others[np.argmin(abs(values[:, others] - mean[:, None]), axis=1)]
        yield group, OTHERS, np.stack([index[:, i], index[rows, nearest]], 1), np.stack([values[:, i], mean], 1)


def _joined(blocks: Sequence[Pairs]) -> Pairs:
    if len(blocks) == 1:
        return blocks[0]
    return replace(
        blocks[0],
        sides=np.concatenate([block.sides for block in blocks]),
        values=np.concatenate([block.values for block in blocks]),
        template=np.concatenate([block.template for block in blocks]),
        filler=np.concatenate([block.filler for block in blocks]),
    )


def _distinct(rows: dict[Key, Pairs]) -> dict[Key, Pairs]:
    """A tag that selects the same pairs as another is the same row: the one said last, the most special, stays."""
    found: dict[object, Key] = {}
    for key, pairs in rows.items():
        model, prompt_set, _, a, b = key
        found[model, prompt_set, a, b, np.sort(pairs.sides[:, 0]).tobytes()] = key
    return {key: rows[key] for key in found.values()}


def _effect(pairs: Pairs, dealt: Dealt) -> Effect:
    return paired_effect(pairs.differences, pairs.template, pairs.filler, dealt=dealt)


def _largest_first(pairs: Pairs) -> Pairs:
    return pairs.at(np.argsort(-abs(pairs.differences), kind="stable"))
