"""Do the units an attribution ranks high matter more than units picked at random, or the last ones? Tested by removing
them; what is measured of which orders is in `orders`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from headscope.analysis.attribution.coalitions import shapley
from headscope.analysis.attribution.lattice import chosen_units, every_value, keep_lattice
from headscope.analysis.attribution.masking import Masking
from headscope.analysis.attribution.orders import (
    FEWEST,
    FRACTIONS,
    Curves,
    Null,
    all_orders,
    as_sets,
    game_curves,
    ranked,
    tops,
)
from headscope.analysis.attribution.removal_curves import Compared, Others
from headscope.analysis.attribution.results import WordRule, position_scores, word_rule
from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.attribution.summed import Explained, summed_values
from headscope.analysis.attribution.variant_tree import Bools, Float64, Ints
from headscope.analysis.registry.entry import LATTICE_UNITS
from headscope.analysis.types import Attribution, Params
from headscope.analysis.workspace import Workspace

BOTH = ("token", "delete")
_REDUCE: dict[WordRule, Callable[[Float64], Any]] = {
    "sum": lambda part: part.sum(),
    "norm": lambda part: np.sqrt((part**2).sum()),
    "largest": lambda part: part.max(),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What can be removed from one prompt. units: masks bool `[T]` over its tokens, without those that are given. ties:
    the order of units that score the same, int64 `[unit]`. games: values of all coalitions under each masking, `[2^n]`;
    none where there are too many."""

    unit: str
    units: Sequence[Bools]
    ties: Ints
    games: tuple[Float64, ...]

    @property
    def shapley(self) -> Float64 | None:
        """Exact Shapley values float64 `[unit]`, the mean over maskings: those of the mean game."""
        return shapley(np.mean(self.games, axis=0)) if self.games else None

    def scores(self, found: Attribution) -> Float64 | None:
        """The attribution's scores of the units, `[unit]`, NaN where it has none; None when it ranks no positions."""
        scores = position_scores(found)
        return None if scores is None else unit_scores(found, scores.astype(np.float64), self.units)


@dataclass(frozen=True, slots=True)
class _Order:
    prompt: int
    order: Ints


class RemovalTest:
    """The removal test of what is explained of a workspace's prompts, under the receipts' parameters (in full): prompts
    of few units get all their coalitions evaluated here, before any method asks. seconds: what it took so far, of the
    whole batch."""

    def __init__(self, work: Workspace, explained: Sequence[Explained], settings: Params) -> None:
        started = time.perf_counter()
        self.settings = settings
        self._work, self._explained = work, explained
        chosen: str = settings["masking"]
        kinds = BOTH if chosen == "both" else (chosen,)
        self.maskings = tuple(Masking.of({**settings, "masking": kind}) for kind in kinds)
        self._generators = [generator_of(work.texts[one.text], settings["seed"]) for one in explained]
        self.subjects = self._subjects()
        self.seconds = time.perf_counter() - started

    def _subjects(self) -> list[Subject]:
        chosen = [chosen_units(self._work, one.text, self.settings["unit"]) for one in self._explained]
        few = {prompt: units for prompt, (_, units) in enumerate(chosen) if 0 < len(units) <= LATTICE_UNITS}
        games: dict[int, list[Float64]] = {prompt: [] for prompt in few}
        for masking in self.maskings:
            for prompt, game in every_value(few, partial(self._values, masking=masking)).items():
                games[prompt].append(game)
                self._keep(prompt, chosen[prompt][0], masking, game)
        return [
            Subject(
                unit, self._of_prompt(prompt, units), self._shuffled(prompt, len(units)), tuple(games.get(prompt, ()))
            )
            for prompt, (unit, units) in enumerate(chosen)
        ]

    def _of_prompt(self, prompt: int, units: Sequence[Bools]) -> list[Bools]:
        text = self._work.texts[self._explained[prompt].text]
        return [unit[: len(text) - text.given] for unit in units]

    def _keep(self, prompt: int, unit: str, masking: Masking, game: Float64) -> None:
        """For methods that explain the same one token."""
        one = self._explained[prompt]
        if len(one.summands) == 1 and not self._work.texts[one.text].given:
            keep_lattice(self._work, one.summands[0].target, one.text, unit, masking, game)

    def _values(self, owners: Sequence[int], keep: Sequence[Bools], masking: Masking) -> Float64:
        return summed_values(self._work, self._explained, owners, keep, masking)

    def _shuffled(self, prompt: int, n_units: int) -> Ints:
        found: Ints = torch.randperm(n_units, generator=self._generators[prompt]).numpy()
        return found

    def run(self, answers: Sequence[Sequence[Attribution]]) -> list[list[Compared | None]]:
        """Every method's answers, one a prompt, beside all other orders; None where there is nothing to rank."""
        started = time.perf_counter()
        enough = [prompt for prompt, subject in enumerate(self.subjects) if len(subject.units) >= FEWEST]
        recency = {prompt: _Order(prompt, np.arange(len(self.subjects[prompt].units))[::-1]) for prompt in enough}
        drawn = {prompt: self._drawn(prompt) for prompt in enough if not self.subjects[prompt].games}
        mine = {
            (method, prompt): _Order(prompt, ranked(scores, self.subjects[prompt].ties))
            for method, found in enumerate(answers)
            for prompt in enough
            if (scores := self.subjects[prompt].scores(found[prompt])) is not None
        }
        asked = [*recency.values(), *(order for orders in drawn.values() for order in orders), *mine.values()]
        curves = dict(zip(map(id, asked), zip(*self._curves(asked), strict=True), strict=True)) if asked else {}
        names = tuple(map(str, self.maskings))
        others = {
            prompt: Others.of(names, self._null(prompt, [curves[id(order)] for order in drawn.get(prompt, ())]),
                              curves[id(recency[prompt])])
            for prompt in enough
        }  # fmt: skip
        tested = {key: others[key[1]].test(curves[id(order)]) for key, order in mine.items()}
        self.seconds += time.perf_counter() - started
        return [
            [tested.get((method, prompt)) for prompt in range(len(self.subjects))] for method in range(len(answers))
        ]

    def _drawn(self, prompt: int) -> list[_Order]:
        n_units = len(self.subjects[prompt].units)
        return [_Order(prompt, self._shuffled(prompt, n_units)) for _ in range(self.settings["random_orders"])]

    def _null(self, prompt: int, drawn: Sequence[Sequence[Curves]]) -> list[Null]:
        """One for each masking: all orders, or those drawn."""
        subject = self.subjects[prompt]
        if subject.games:
            return [Null(game_curves(values, all_orders(len(subject.units))), exact=True) for values in subject.games]
        return [
            Null.sampled(
                Curves(np.array([one.deletion for one in orders]), np.array([one.insertion for one in orders]))
            )
            for orders in zip(*drawn, strict=True)
        ]

    def _curves(self, asked: Sequence[_Order]) -> list[list[Curves]]:
        """Under each masking, the curves of every order asked for; what a lattice lacks shares passes."""
        unknown = [one for one in asked if not self.subjects[one.prompt].games]
        masks = [mask for one in unknown for mask in self._masks(one)]
        n_sets = 1 + 2 * len(FRACTIONS)
        owners = [one.prompt for one in unknown for _ in range(n_sets)]
        found = []
        for number, masking in enumerate(self.maskings):
            values = self._values(owners, masks, masking).reshape(len(unknown), n_sets)
            lost = values[:, :1] - values[:, 1:]
            measured = iter(lost.reshape(len(unknown), 2, len(FRACTIONS)))
            found.append([
                game_curves(games[number], as_sets(tops(one.order)))
                if (games := self.subjects[one.prompt].games)
                else Curves(*next(measured))
                for one in asked
            ])  # fmt: skip
        return found

    def _masks(self, one: _Order) -> list[Bools]:
        """Tokens that stay: all, then without, then with alone, the highest-ranked units of each fraction."""
        units = np.array(self.subjects[one.prompt].units)
        removable = units.any(0)
        top = [units[chosen].any(0) for chosen in tops(one.order)]
        return [np.ones_like(removable)] + [~tokens for tokens in top] + [~removable | tokens for tokens in top]


def unit_scores(found: Attribution, scores: Float64, units: Sequence[Bools]) -> Float64:
    """Scores of an attribution over the units' tokens, `[T]`, as scores of units, by `word_rule`; NaN where no token of
    a unit has one."""
    parts = [scores[unit][np.isfinite(scores[unit])] for unit in units]
    reduce = _REDUCE[word_rule(found)]
    return np.array([reduce(part) if len(part) else np.nan for part in parts], dtype=np.float64)
