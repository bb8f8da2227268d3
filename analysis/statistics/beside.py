"""The same counterfactual pairs in two sets of runs, two models or checkpoints: which moves more, and how surely."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from headscope.analysis.statistics.counterfactual import Contrast, Members, contrasts
from headscope.analysis.statistics.effects import Effect, adjusted, paired_effect
from headscope.analysis.statistics.resampling import Dealt


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """One contrast in two sets of runs, over the pairs that both have.

    first, second: the contrast in each. apart: of the first's difference minus the second's, pair by pair, in the
    measure's unit: a difference of differences. adjusted_p: of `apart`, Benjamini-Hochberg over the table.
    """

    first: Contrast
    second: Contrast
    apart: Effect
    adjusted_p: float


def beside(first: Members, second: Members, partner: str = "", *, pooled: bool = False) -> list[Beside]:
    """Every contrast of pairs that are in both with the same texts, the surest difference of differences first.

    partner: the second's model that all of the first's are held against; "" is for each the one of the same name.
    What is in one alone, or was measured in one alone, is left out of both. Pairs of one wording, and of one filler,
    are drawn and flipped together, as in `contrasts`: taking differences within pairs first keeps those ways.
    """
    both: list[tuple[Contrast, Contrast]] = []
    for one, two in _shared(first, second, partner):
        others = {_name(row): row for row in contrasts(two, pooled=pooled)}
        both += [(row, others[_name(row)]) for row in contrasts(one, pooled=pooled)]
    dealt = Dealt()
    apart = [_apart(*rows, dealt) for rows in both]
    p = adjusted([effect.p for effect in apart])
    found = [Beside(*rows, effect, float(at)) for rows, effect, at in zip(both, apart, p, strict=True)]
    return sorted(found, key=lambda row: (np.isnan(row.adjusted_p), row.adjusted_p, -abs(row.apart.mean),
                                          row.first.key))  # fmt: skip


def _shared(first: Members, second: Members, partner: str) -> Iterator[tuple[Members, Members]]:
    """For each model of the first the members that its partner has too, in the same order and with the first's tags:
    a later version of a set may have named its wordings since."""
    theirs = dict(zip(_keys(second, ""), range(len(second.run_id)), strict=True))
    known = np.isfinite(second.value)
    index: dict[str, list[tuple[int, int]]] = {}
    for i, (key, model, measured) in enumerate(
        zip(_keys(first, partner), first.model, np.isfinite(first.value).tolist(), strict=True)
    ):
        j = theirs.get(key)
        if measured and j is not None and known[j]:
            index.setdefault(model, []).append((i, j))
    for mine in index.values():
        one, two = first.only([i for i, _ in mine]), second.only([j for _, j in mine])
        yield one, replace(two, tags=one.tags)


def _keys(members: Members, model: str) -> Iterator[Hashable]:
    names = zip(members.prompt_set, members.pair_id, members.group, members.text, strict=True)
    return ((model or own, *name) for own, name in zip(members.model, names, strict=True))


def _name(row: Contrast) -> Hashable:
    return row.prompt_set, row.attribute, row.a, row.b


def _apart(first: Contrast, second: Contrast, dealt: Dealt) -> Effect:
    mine, theirs = first.pairs, second.pairs
    at = {theirs.members.pair_id[a]: i for i, a in enumerate(theirs.sides[:, 0].tolist())}
    order = [at[mine.members.pair_id[a]] for a in mine.sides[:, 0].tolist()]
    differences = mine.differences - theirs.differences[order]
    return paired_effect(differences, mine.template, mine.filler, dealt=dealt)
