"""How numbers are written: decimals or significant digits, signs, intervals. A dash is for what was not measured."""

from __future__ import annotations

import math

from headscope.dashboard.words import DASH, true_minus


def plain(value: float | None, decimals: int = 2) -> str:
    """A number with this many decimals."""
    return DASH if value is None or math.isnan(value) else true_minus(f"{value:.{decimals}f}")


def fixed(value: float, decimals: int) -> str:
    """The same, never "−0.00"."""
    text = plain(value, decimals)
    return plain(0, decimals) if text != DASH and float(f"{value:.{decimals}f}") == 0 else text


def signed(value: float | None, decimals: int = 2) -> str:
    """A number with its sign, unless it rounds to 0."""
    if value is None or math.isnan(value):
        return DASH
    text = f"{value:+.{decimals}f}"
    return plain(0, decimals) if float(text) == 0 else true_minus(text)


def interval(low: float, high: float, decimals: int = 2) -> str:
    """An interval in brackets, "" when there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{plain(low, decimals)}, {plain(high, decimals)}]"


def significant(value: float, digits: int = 3) -> str:
    """A number with this many significant digits."""
    if math.isnan(value):
        return DASH
    text = f"{value:.{digits}g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}"
    if "e+" in text:
        text = f"{value:,.0f}"
    return true_minus(text)


def significant_signed(value: float, digits: int = 3) -> str:
    """A difference: always with its sign."""
    return f"+{significant(value, digits)}" if value > 0 else significant(value, digits)


def decimals_for(scale: float) -> int:
    """Decimals that give three significant digits to a value of this size, and the same to all its neighbours."""
    return max(0, 2 - math.floor(math.log10(scale))) if scale > 0 else 2
