"""Every conversion from what the store holds to what people read: nats to bits, shares to percent, seconds, bytes,
moments. A dash stands for what was not measured."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from headscope.dashboard.words import DASH

NATS_PER_BIT = math.log(2)
PAIR_UNITS = {"margin": "nats", "loglik": "nats", "toxicity": "probability", "sentiment": "VADER’s compound",
              "regard": "probability"}  # fmt: skip
"""Of the measures in which groups are compared."""
Amount = TypeVar("Amount", float, NDArray[np.float64])


def in_bits(nats: Amount) -> Amount:
    """A number or an array of nats in bits."""
    return nats / NATS_PER_BIT


def per_bit(unit: str) -> float:
    """How much of `unit`, bits or nats, a bit is."""
    return 1.0 if unit == "bits" else NATS_PER_BIT


def bits(nats: float | None, decimals: int = 2) -> str:
    """Nats as bits, in words."""
    return DASH if nats is None or math.isnan(nats) else f"{in_bits(nats):.{decimals}f}"


def percent(share: float, decimals: int = 0, gap: str = " ") -> str:
    """0.123 as 12 %."""
    return f"{100 * share:.{decimals}f}{gap}%"


def ratio(count: int, total: int, decimals: int = 0) -> str:
    """3 of 24 as 12 %."""
    return f"{100 * count / total:.{decimals}f} %"


def percents(low: float, high: float, decimals: int = 0) -> str:
    """An interval of shares: [9, 15]."""
    return f"[{100 * low:.{decimals}f}, {100 * high:.{decimals}f}]"


def percent_of(count: int, total: int) -> str:
    """A share of counts; never "100%" or "0%" unless it is exactly that."""
    share = 100 * count / total
    return "<0.1%" if 0 < share < 0.1 else ">99.9%" if 99.9 < share < 100 else f"{share:.1f}%".replace(".0%", "%")


def points(share: Amount) -> Amount:
    """A share, or a difference of shares, in percentage points."""
    return 100 * share


def probability(p: float) -> str:
    """A probability in percent, small ones with more digits."""
    if math.isnan(p):
        return DASH
    return percent(p, 1) if p >= 0.1 else percent(p, 2) if p >= 1e-4 else f"{100 * p:.0e} %"


def seconds(value: float | None) -> str:
    """1.24 s, 12 ms, 35 µs: little is not nothing."""
    if value is None:
        return DASH
    if value < 0.0005:
        return f"{1e6 * value:.0f} µs"
    return f"{1000 * value:.0f} ms" if value < 0.1 else f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def mebibytes(size: float) -> float:
    """Bytes as MiB."""
    return size / 2**20


def memory(size: float | None) -> str:
    """Bytes as KiB, MiB or GiB: little is not nothing."""
    if size is None:
        return DASH
    if size < 2**20:
        return f"{size / 2**10:.0f} KiB"
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{mebibytes(size):.0f} MiB"


def parameters(count: int) -> str:
    """53K, 135M, 1.5B parameters."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{unit} parameters"
    return f"{count} parameters"


def utc_iso(moment: datetime) -> str:
    """ISO 8601 with the offset; a time without one is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat(timespec="seconds")
