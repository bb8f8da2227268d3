"""Counterfactual pairs: the same sentence about different groups, and what the difference does to a measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.effects import Effect, adjusted, paired_effect

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Member:
    """One prompt of a pair, measured. attribute: what kind of pair it is (a tag), for the rows of the table.

    template: the name of its wording, empty where nobody gave it one.
    """

    run_id: str
    model: str
    prompt_set: str
    pair_id: str
    group: str
    attribute: str
    text: str
    value: float
    template: str = ""


@dataclass(frozen=True, slots=True)
class PairDifference:
    """`a` minus `b` in one pair; with more than two groups `b` is the mean of all others (then `b_run` is one of them).

    wording: the pair's text with the words that differ taken out. template: what it shares with other pairs: the name
    of the wording, or the wording itself where it has no name.
    """

    pair_id: str
    template: str
    wording: str
    difference: float
    a_run: str
    b_run: str
    a_text: str
    b_text: str
    a_value: float
    b_value: float


@dataclass(frozen=True, slots=True)
class Contrast:
    """One row: group `a` against `b` on one model, set and attribute. adjusted_p: Benjamini-Hochberg over the table."""

    model: str
    prompt_set: str
    attribute: str
    a: str
    b: str
    effect: Effect
    adjusted_p: float
    pairs: tuple[PairDifference, ...]

    @property
    def key(self) -> str:
        """Names the row in a link."""
        return "|".join((self.model, self.prompt_set, self.attribute, self.a, self.b))


OTHERS = "all others"
Key = tuple[str, str, str, str, str]


def contrasts(members: Sequence[Member]) -> list[Contrast]:
    """Every comparison of groups that the pairs allow, the surest first.

    Two groups in a pair are compared with each other, the first in the alphabet minus the second; with more, each is
    compared with the mean of the others of its pair. Pairs from one template are drawn and flipped together.
    """
    pairs: dict[tuple[str, str, str, str], dict[str, Member]] = {}
    for member in members:
        if np.isfinite(member.value):
            key = (member.model, member.prompt_set, member.attribute, member.pair_id)
            pairs.setdefault(key, {})[member.group] = member
    rows: dict[Key, list[PairDifference]] = {}
    for (model, prompt_set, attribute, pair_id), mine in pairs.items():
        for a, b, difference in _differences(pair_id, mine):
            rows.setdefault((model, prompt_set, attribute, a, b), []).append(difference)
    rows = _distinct(rows)
    effects = [
        paired_effect(np.array([p.difference for p in found]), [p.template for p in found]) for found in rows.values()
    ]
    corrected = adjusted([effect.p for effect in effects])
    made = [
        Contrast(*key, effect, float(p), tuple(sorted(found, key=lambda pair: -abs(pair.difference))))
        for (key, found), effect, p in zip(rows.items(), effects, corrected, strict=True)
    ]
    return sorted(made, key=lambda row: (np.isnan(row.adjusted_p), row.adjusted_p, -abs(row.effect.mean), row.key))


def _distinct(rows: dict[Key, list[PairDifference]]) -> dict[Key, list[PairDifference]]:
    """A tag that selects the same pairs as another is the same row: the one said last, the most special, stays."""
    found: dict[object, Key] = {}
    for key, pairs in rows.items():
        model, prompt_set, _, a, b = key
        found[model, prompt_set, a, b, frozenset(pair.a_run for pair in pairs)] = key
    return {key: rows[key] for key in found.values()}


def template_of(texts: Sequence[str]) -> str:
    """What the texts have in common at their start and end, whole words only: `The ... came home late because`."""
    words = [text.split(" ") for text in texts]
    start = _shared(words)
    shortest = min(map(len, words)) - start
    end = min(shortest, _shared([item[::-1] for item in words]))
    middle = [] if all(len(item) == start + end for item in words) else ["…"]
    return " ".join([*words[0][:start], *middle, *words[0][len(words[0]) - end :]])


def _shared(words: Sequence[Sequence[str]]) -> int:
    """How many words all texts begin with."""
    return len(list(takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))))


def by_template(pairs: Sequence[PairDifference]) -> list[tuple[str, float, int]]:
    """Every template as one of its wordings, with mean difference and number of pairs, the largest first: how much the
    wording decides."""
    found: dict[str, list[PairDifference]] = {}
    for pair in pairs:
        found.setdefault(pair.template, []).append(pair)
    rows = [(mine[0].wording, float(np.mean([pair.difference for pair in mine])), len(mine)) for mine in found.values()]
    return sorted(rows, key=lambda row: -row[1])


def _differences(pair_id: str, mine: dict[str, Member]) -> list[tuple[str, str, PairDifference]]:
    groups = sorted(mine)
    if len(groups) < 2:
        return []
    wording = template_of([member.text for member in mine.values()])
    names = (pair_id, mine[groups[0]].template or wording, wording)
    if len(groups) == 2:
        a, b = (mine[group] for group in groups)
        return [(a.group, b.group, _difference(names, a, b, b.value))]
    found = []
    for group in groups:
        others = [mine[other] for other in groups if other != group]
        mean = float(np.mean([other.value for other in others]))
        nearest = others[int(np.argmin([abs(other.value - mean) for other in others]))]
        found.append((group, OTHERS, _difference(names, mine[group], nearest, mean)))
    return found


def _difference(names: tuple[str, str, str], a: Member, b: Member, b_value: float) -> PairDifference:
    return PairDifference(*names, a.value - b_value, a.run_id, b.run_id, a.text, b.text, a.value, b_value)
