"""Gains of methods with their intervals: the prompts are drawn again, pairs and models of one prompt kept together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headscope.analysis.statistics.intervals import bootstrap_sums
from headscope.storage.rows import MEASURES, MethodGains, MethodStats

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean in nats with its 95 % interval, NaN where there is none."""

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan


NOTHING = dict.fromkeys(MEASURES, Gain())
Gains = Mapping[Key, Mapping[str, Gain]]


def intervals(found: MethodGains) -> Gains:
    """Method and prompt set -> `over_random` and `over_recency`."""
    groups, flat = len(found.sums), len(found.keys) * len(MEASURES)
    means = bootstrap_sums(found.sums.reshape(groups, flat), found.counts.reshape(groups, flat))
    gains = [Gain(*map(float, ends)) for ends in zip(means.mean, means.low, means.high, strict=True)]
    places = range(0, flat, len(MEASURES))
    return {key: dict(zip(MEASURES, gains[at : at + len(MEASURES)], strict=True))
            for key, at in zip(found.keys, places, strict=True)}  # fmt: skip


def of(gains: Gains, row: MethodStats) -> Mapping[str, Gain]:
    """The gains of a row of the leaderboard."""
    return gains.get((row.method, row.prompt_set), NOTHING)


@dataclass(frozen=True, slots=True)
class Scale:
    """What the drawings of gains run from and to; 0 is always on it."""

    low: float
    high: float

    def place(self, value: float) -> str:
        """Percent from the left."""
        return f"{100 * (value - self.low) / ((self.high - self.low) or 1.0):.2f}%"


def scale(gains: Sequence[Gain]) -> Scale:
    """From the lowest to the highest end of an interval, 0 included."""
    ends = [value for gain in gains for value in (gain.mean, gain.low, gain.high) if not math.isnan(value)]
    return Scale(min([0.0, *ends]), max([0.0, *ends]))
