"""Single numbers and flat arrays as columns hold them; not measured is NULL for a number, NaN within an array."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Float32


def number(value: float | None) -> float | None:
    """A single number for its column: NULL when it was not measured."""
    return None if value is None or math.isnan(value) else float(value)


def unmeasured(value: float | None) -> float:
    """Inverse of `number`."""
    return float("nan") if value is None else float(value)


def flat(values: NDArray[Any]) -> Float32:
    """float32, row by row."""
    return np.ascontiguousarray(values, dtype=np.float32).reshape(-1)


def floats(values: Sequence[float]) -> Float32:
    """Inverse of `flat`, but for the shape."""
    return np.asarray(values, dtype=np.float32)
