"""The calibration of two models as rows of plain values, for files and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headscope.analysis.statistics.calibration_pairs import Cells, reliability

COLUMNS = ("model", "bin", "prompts", "stated", "right", "right_low", "right_high")


def of_bins(names: Sequence[str], cells: Cells) -> Iterator[dict[str, Any]]:
    """A row a bin of each model's stated probabilities."""
    for name, curve in zip(names, reliability(cells), strict=True):
        columns = (curve.counts, curve.stated, curve.observed, curve.observed_low, curve.observed_high)
        for place, values in enumerate(zip(*(column.tolist() for column in columns), strict=True), 1):
            yield dict(zip(COLUMNS, (name, place, *values), strict=True))
