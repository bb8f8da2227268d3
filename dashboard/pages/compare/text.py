"""Numbers as text, the same in every view of a comparison."""

from __future__ import annotations

import math

from headscope.dashboard.words import true_minus


def number(value: float, digits: int = 3) -> str:
    """Significant digits with a true minus sign; an en dash when unmeasured."""
    if math.isnan(value):
        return "–"
    text = f"{value:.{digits}g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.1e}"
    if "e+" in text:
        text = f"{value:,.0f}"
    return true_minus(text)


def signed(value: float, digits: int = 3) -> str:
    """A difference: always with its sign."""
    return f"+{number(value, digits)}" if value > 0 else number(value, digits)


def fixed(value: float, decimals: int) -> str:
    """A number with this many decimals, a true minus sign, and an en dash when unmeasured."""
    if math.isnan(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else true_minus(text)


def fixed_signed(value: float, decimals: int) -> str:
    """A difference: with its sign, unless it rounds to 0."""
    text = fixed(value, decimals)
    return f"+{text}" if value > 0 and float(text) > 0 else text


def decimals_for(scale: float) -> int:
    """Decimals that give three significant digits to a value of this size, and the same to all its neighbours."""
    return max(0, 2 - math.floor(math.log10(scale))) if scale > 0 else 2


def percent(p: float) -> str:
    """A probability in percent."""
    if math.isnan(p):
        return "–"
    return f"{100 * p:.1f} %" if p >= 0.1 else f"{100 * p:.2f} %" if p >= 1e-4 else f"{100 * p:.0e} %"
