"""Values that come from outside, checked before anything is done with them: NaN, infinities, `true` for 1, a list for
a text, numbers beyond what a database or a clock can hold."""

from __future__ import annotations

import re
from numbers import Integral, Real
from typing import Any

from headscope.analysis.errors import InputError

MOST_SECONDS = 3600.0
LARGEST = 2**63 - 1
"""The largest whole number both databases can hold."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 40


def whole(name: str, value: Any, low: int = 0, high: int = LARGEST) -> int:
    """The whole number between these bounds, both included. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not _between(low, value, high):
        raise InputError(f"{name} must be a whole number from {low} to {high}, not {shown(value)}.")
    return int(value)


def number(name: str, value: Any, low: float, high: float) -> float:
    """The number between these bounds, both included; NaN never is. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, Real) or not _between(low, value, high):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, not {shown(value)}.")
    return float(value)


def seconds(name: str, value: Any) -> float:
    """A time limit: more than 0 and at most an hour. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, Real) or value == 0 or not _between(0, value, MOST_SECONDS):
        raise InputError(
            f"{name} must be a number of seconds, more than 0 and at most {MOST_SECONDS:g}, not {shown(value)}."
        )
    return float(value)


def text(name: str, value: Any) -> str:
    """A text that UTF-8 can hold. Raises InputError."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, not {type(value).__name__}.")
    if not value.isascii() and _SURROGATE.search(value):
        raise InputError(f"{name} is no Unicode text: it has half of a surrogate pair.")
    return value


def yes_or_no(name: str, value: Any) -> bool:
    """True or false. Raises InputError."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, not {shown(value)}.")
    return value


def _between(low: float, value: Any, high: float) -> bool:
    return bool(low <= value <= high)  # False for NaN, and exact for whole numbers no float can hold


def shown(value: Any) -> str:
    """A value of any kind in a message, cut when it is long."""
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "a number of more than 40 digits"
    said = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
