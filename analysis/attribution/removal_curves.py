"""From curves of orders to what a receipt says of them: numpy only, no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headscope.analysis.attribution.orders import Curves, Null, mean_curves
from headscope.analysis.types import Float32
from headscope.analysis.types.receipts import RemovalCurves


@dataclass(frozen=True, slots=True)
class Compared:
    """One order beside others: under each masking, and in the mean. n_orders: how many those are, reverses not counted
    unless they are all; random_gain: their mean gain."""

    parts: tuple[RemovalCurves, ...]
    mean: RemovalCurves
    p_value: float
    n_orders: int
    random_gain: float


@dataclass(frozen=True, slots=True)
class Others:
    """What every attribution of a prompt is held against, one of each for every masking, and their means."""

    maskings: tuple[str, ...]
    null: tuple[Null, ...]
    recency: tuple[Curves, ...]
    null_mean: Null
    recency_mean: Curves

    @classmethod
    def of(cls, maskings: Sequence[str], null: Sequence[Null], recency: Sequence[Curves]) -> Others:
        """Null orders (the same under every masking) and "last unit first"."""
        mean = Null(mean_curves([one.curves for one in null]), null[0].exact)
        return cls(tuple(maskings), tuple(null), tuple(recency), mean, mean_curves(recency))

    def test(self, mine: Sequence[Curves]) -> Compared:
        """One order, by its curves under each masking."""
        parts = zip(self.maskings, mine, self.recency, self.null, strict=True)
        mean = mean_curves(mine)
        return Compared(
            tuple(_beside(*part) for part in parts),
            _beside(", ".join(self.maskings), mean, self.recency_mean, self.null_mean),
            self.null_mean.p_value(mean.gain),
            self.null_mean.n_orders,
            float(self.null_mean.gains.mean()),
        )


def _beside(masking: str, mine: Curves, recency: Curves, null: Null) -> RemovalCurves:
    low, high = np.percentile(null.gains, (2.5, 97.5))
    return RemovalCurves(
        masking=masking,
        deletion=_float32(mine.deletion),
        insertion=_float32(mine.insertion),
        random_deletion=_float32(null.curves.deletion.mean(0)),
        random_insertion=_float32(null.curves.insertion.mean(0)),
        recency_deletion=_float32(recency.deletion),
        recency_insertion=_float32(recency.insertion),
        comprehensiveness=float(mine.deletion.mean()),
        sufficiency=float(mine.insertion.mean()),
        gain=mine.gain,
        random_low=float(low),
        random_high=float(high),
        recency_gain=recency.gain,
    )


def _float32(curve: np.ndarray) -> Float32:
    found: Float32 = curve.astype(np.float32)
    return found
