"""The lines of a model card."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.statistics.intervals import wilson


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the card: value with its 95 % interval over n texts."""

    name: str
    value: float
    low: float
    high: float
    n: int


def share_of(name: str, said: NDArray[np.bool_]) -> Figure:
    """A share with Wilson's interval."""
    return Figure(name, float(said.mean()), *wilson(int(said.sum()), len(said)), len(said))


def plain(value: Any) -> Any:
    """As JSON has it: numbers rounded to five places, NaN as null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 5) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
