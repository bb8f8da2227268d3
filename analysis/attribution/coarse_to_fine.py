"""Removing sentences first, then words of those that matter most, then their tokens, within a number of passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from headscope.analysis.attribution.held_first import joined
from headscope.analysis.attribution.results import attribution, failed_attribution
from headscope.analysis.attribution.unit_games import UnitGame
from headscope.analysis.attribution.variant_tree import Bools, Float64
from headscope.analysis.registry.entry import UNITS
from headscope.analysis.types import Attribution, Float32, Params, Target
from headscope.analysis.types.outcome import Outcome

Values = Callable[[Sequence[int], Sequence[Bools]], Float64]
"""The explained quantity of prompts (by index) with only these tokens there, `[N]`."""
_PLACES = 12


@dataclass(slots=True)
class Search:
    """What was measured of one prompt. levels: its units (masks bool `[T]`) by kind, coarse to fine; every finer unit
    lies within a coarser one. never: bool `[T]`, tokens that get no score. value: the explained quantity of the whole
    prompt. left: passes that remain; passes: those taken. effects: of every unit measured, by its mask; measured: the
    units by kind.
    """

    levels: Mapping[str, Sequence[Bools]]
    never: Bools
    value: float
    left: int
    passes: int = 0
    effects: dict[bytes, float] = field(default_factory=dict)
    measured: dict[str, list[Bools]] = field(default_factory=dict)

    def next(self, kind: str) -> list[Bools]:
        """The units of a level to be measured with the passes that are left: all within the coarser unit of most
        effect, then of the next; a coarser unit whose parts do not all fit stays whole. Sentences, which nothing ranks
        yet, from the last one back.
        """
        if not self.measured:
            self.measured[kind] = list(self.levels[kind])[::-1][: self.left]
            return self._spend(self.measured[kind])
        parents = self.measured[next(reversed(self.measured))]
        self.measured[kind] = []
        found: list[Bools] = []
        for parent in sorted(parents, key=lambda mask: -abs(self.effects[mask.tobytes()])):
            parts = [unit for unit in self.levels[kind] if (unit & parent).any()]
            new = [unit for unit in parts if unit.tobytes() not in self.effects]
            if len(new) <= self.left:
                self.measured[kind] += parts
                found += self._spend(new)
        return found

    def _spend(self, units: list[Bools]) -> list[Bools]:
        self.left -= len(units)
        self.passes += len(units)
        return units

    def scores(self) -> Float32:
        """Of every token the effect of the finest unit measured that holds it, in equal parts; float32 `[T]`, NaN where
        none does."""
        finest = self._finest()
        found = np.full(len(finest), np.nan, dtype=np.float32)
        for kind, units in self.measured.items():
            for mask in units:
                mine = mask & (finest == UNITS.index(kind))
                found[mine] = self.effects[mask.tobytes()] / mask.sum()
        return found

    def facts(self) -> dict[str, str]:
        """How many units of each kind were measured, and which tokens have whose score."""
        finest, said = self._finest(), dict[str, str]()
        for kind, units in self.levels.items():
            said[f"{kind}s measured"] = f"{len(self.measured.get(kind, ()))} of {len(units)}"
        for kind in self.measured:
            places = np.flatnonzero(finest == UNITS.index(kind)).tolist()
            if places:
                said[f"scored by {kind}"] = _ranges(places)
        return said

    def _finest(self) -> np.ndarray:
        """Index into `UNITS` of the finest kind that measured each token, -1 where none did; int `[T]`."""
        found = np.full(len(self.never), -1)
        for kind, units in self.measured.items():  # coarse to fine
            for mask in units:
                found[mask & ~self.never] = UNITS.index(kind)
        return found


def search(searches: Mapping[int, Search], kinds: Sequence[str], values: Values) -> None:
    """Measure all prompts together, level by level, coarse to fine; searches: by index of their prompt."""
    for kind in kinds:
        asked = [(prompt, mask) for prompt, one in searches.items() for mask in one.next(kind)]
        if not asked:
            continue
        without = values([prompt for prompt, _ in asked], [~mask for _, mask in asked])
        for (prompt, mask), value in zip(asked, without, strict=True):
            one = searches[prompt]
            one.effects[mask.tobytes()] = one.value - float(value)


def never(game: UnitGame) -> Bools:
    """Tokens that the finest units leave without a score, bool `[T]`."""
    found: Bools = ~np.any(game.units, axis=0)
    return found


def searched(
    method: str, game: UnitGame, target: Target, one: Search | None, seconds: float, params: Params
) -> Attribution:
    """The Attribution of a search (None: there was no unit) whose finest units are those of `game`."""
    if one is None:
        return failed_attribution(method, target, game.why_empty, signed=True, seconds=seconds, params=params)
    scores = one.scores()
    short = bool(np.isnan(scores[~one.never]).any())
    ended = f"{one.passes} passes did not reach every sentence, so the first ones have no score" if short else ""
    said = joined(game.not_explained, ended)
    return attribution(
        method,
        target,
        scores,
        ("position",),
        signed=True,
        measured=np.isfinite(scores),
        value=one.value,
        seconds=seconds,
        params=params,
        outcome=Outcome(steps=one.passes, not_explained=said, facts={**one.facts(), **game.facts}),
    )


def _ranges(places: Sequence[int]) -> str:
    """`tokens 1-4, 9`, cut after some."""
    runs = [[n for _, n in run] for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0])]
    said = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    more = f", and {len(said) - _PLACES} more stretches" if len(said) > _PLACES else ""
    return f"tokens {', '.join(said[:_PLACES])}{more}"
