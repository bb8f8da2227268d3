"""Two models on the same prompts as rows: one a measure, the same on the page, in its file and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from headscope.analysis.statistics.calibration_pairs import Cells, calibration_beside
from headscope.analysis.statistics.model_pairs import Beside, Moments, means, shares

STUDENT = "mean over prompts, Student interval over pairs"
SCORE = "share of prompts, Wilson and Newcombe intervals, McNemar's exact test"


@dataclass(frozen=True, slots=True)
class Measure:
    """name: in the store and in files. label: on pages. unit: of the numbers. of: which prompts it is over. method:
    how it is worked out. better: 1 where more is better, -1 where less is, 0 where neither."""

    name: str
    label: str
    unit: str
    of: str
    method: str
    better: int = 0


CALIBRATION = "calibration_error"
ROUGH = "in simulations those of a model held the truth in 87 to 99 %, those of the difference in 92 to 99 %"
"""Of 95 % intervals of calibration errors, as `calibration_pairs` says."""
MEASURES = (
    Measure("accuracy", "Accuracy: target over foil", "share", "right answers with a foil", SCORE, 1),
    Measure("preferred", "Target preferred to foil", "share", "target and foil", SCORE),
    Measure("right", "Target is the top token", "share", "right answers", SCORE, 1),
    Measure("margin", "Margin: log P(target) − log P(foil)", "nats", "target and foil", STUDENT),
    Measure("surprisal", "Surprisal per character", "nats per character", "texts that both predicted",
            "sum over sum of characters that both models predicted, Student interval over pairs", -1),
    Measure("overconfidence", "Stated probability − share right", "probability", "right answers", STUDENT),
    Measure("brier", "Brier score of the stated probability", "score", "right answers", STUDENT, -1),
    Measure(CALIBRATION, "Expected calibration error", "probability", "right answers",
            f"ten bins of equally many prompts, interval by test inversion, rough: {ROUGH}", -1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelsRow:
    """One measure of two models, over the n prompts that both have it for, of `clusters` independent groups.
    difference: the second minus the first. Each with its 95 % interval, NaN where there is none. p: no difference, of
    shares.
    only_first, only_second: prompts on which one says yes and the other no; None where nothing is said."""

    measure: str
    unit: str
    of: str
    n: int
    clusters: int
    first: float
    first_low: float
    first_high: float
    second: float
    second_low: float
    second_high: float
    difference: float
    difference_low: float
    difference_high: float
    p: float
    only_first: int | None
    only_second: int | None
    method: str


def model_rows(measured: Mapping[str, Moments], cells: Cells) -> list[ModelsRow]:
    """Every measure in the order of `MEASURES`, also those without prompts (n = 0)."""
    found = []
    for measure in MEASURES:
        turned: tuple[int | None, int | None] = (None, None)
        if measure.name == CALIBRATION:
            both = calibration_beside(cells)
        elif measure.method is SCORE:
            sums = measured[measure.name]
            both, turned = shares(sums), (sums.only_first, sums.only_second)
        else:
            both = means(measured[measure.name])
        found.append(_row(measure, both, *turned))
    return found


def as_row(row: ModelsRow) -> dict[str, Any]:
    """By name, None for what is unknown."""
    return {name: None if value != value else value for name, value in asdict(row).items()}  # noqa: PLR0124 - NaN


def _row(measure: Measure, both: Beside, only_first: int | None, only_second: int | None) -> ModelsRow:
    one, two, apart = both.first, both.second, both.difference
    return ModelsRow(
        measure.name, measure.unit, measure.of, both.n, both.clusters, one.value, one.low, one.high,
        two.value, two.low, two.high, apart.value, apart.low, apart.high, both.p, only_first, only_second,
        measure.method,
    )  # fmt: skip
