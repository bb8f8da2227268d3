"""Orders of a prompt's units put to the test of removal: numpy only, no model.

Curves: deletion and insertion (Samek et al. 2016; comprehensiveness and sufficiency, DeYoung et al. 2020); gain: their
difference (symmetric relevance gain, Bluecher et al. 2024), which does not reward a masking for leaving the
distribution. Null: other orders of the same units of the same prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np

from headscope.analysis.attribution.variant_tree import Bools, Float64, Ints
from headscope.analysis.types.receipts import Verdict

FRACTIONS = (0.2, 0.4, 0.6, 0.8)
"""Symmetric around one half: then the reverse of an order has exactly the opposite gain."""
LEVEL = 0.05
FEWEST = 4  # of three units there are six orders: no order can stand out at one in twenty
_TIE = 1e-6


@dataclass(frozen=True, slots=True)
class Curves:
    """Changes of the explained quantity (nats), float64 `[..., fraction]`: without the highest-ranked units (deletion),
    and with them alone (insertion)."""

    deletion: Float64
    insertion: Float64

    @property
    def gains(self) -> Float64:
        """AOPC of deletion minus that of insertion, `[...]`; for a random order 0 on average."""
        found: Float64 = self.deletion.mean(-1) - self.insertion.mean(-1)
        return found

    @property
    def gain(self) -> float:
        """Of one order."""
        return float(self.gains)


@dataclass(frozen=True, slots=True)
class Null:
    """Orders that know nothing, each beside its reverse: curves `[order, fraction]`, gains `[order]`. exact: they are
    all there are."""

    curves: Curves
    exact: bool
    gains: Float64 = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gains", self.curves.gains)

    @classmethod
    def sampled(cls, drawn: Curves) -> Null:
        """Of orders drawn at random, to which their reverses are added: those cost nothing, see `FRACTIONS`."""
        deletion, insertion = drawn.deletion, drawn.insertion
        return cls(
            Curves(
                np.concatenate([deletion, insertion[:, ::-1]]),
                np.concatenate([insertion, deletion[:, ::-1]]),
            ),
            exact=False,
        )

    @property
    def n_orders(self) -> int:
        """How many were drawn, or how many there are."""
        return len(self.gains) // (1 if self.exact else 2)

    def p_value(self, gain: float) -> float:
        """Share of orders that gain at least as much, this one among them: exact under the null (a permutation test).
        Ties count against the attribution."""
        gains = self.gains if self.exact else np.append(self.gains, (gain, -gain))
        return float((gains >= gain - _TIE).mean())


def verdict(gain: float, p_value: float, recency_gain: float) -> Verdict:
    """What the numbers of a receipt say, NaN where nothing was measured. Ties count against the attribution."""
    if np.isnan(gain):
        return Verdict.UNMEASURED
    if p_value > LEVEL:
        return Verdict.NO_BETTER
    return Verdict.BETTER if gain > recency_gain + _TIE else Verdict.BETTER_THAN_RANDOM


def ranked(scores: Float64, ties: Ints) -> Ints:
    """Indexes of units, largest score first: int64 `[unit]`. Equal scores as in the order `ties`; NaN comes last."""
    found = np.where(np.isnan(scores), -np.inf, scores)
    order: Ints = ties[np.argsort(-found[ties], kind="stable")]
    return order


def counts(n_units: int) -> list[int]:
    """How many units each fraction is; those of f and 1 - f add up to all."""
    lower = [round(fraction * n_units) for fraction in FRACTIONS[: len(FRACTIONS) // 2]]
    return lower + [n_units - count for count in reversed(lower)]


def tops(order: Ints) -> Bools:
    """The highest-ranked units at each fraction, bool `[fraction, unit]`."""
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    found: Bools = places < np.array(counts(len(order)))[:, None]
    return found


def game_curves(values: Float64, sets: Ints) -> Curves:
    """Curves of orders by the values `[2^n]` of all coalitions; sets int64 `[..., fraction]`: the highest-ranked units
    at each fraction, as `all_coalitions` counts coalitions."""
    everything = len(values) - 1
    return Curves(values[everything] - values[everything - sets], values[everything] - values[sets])


def as_sets(members: Bools) -> Ints:
    """Coalitions bool `[..., unit]` as `all_coalitions` counts them, int64 `[...]`."""
    found: Ints = members @ (1 << np.arange(members.shape[-1]))
    return found


@lru_cache(maxsize=16)
def all_orders(n_units: int) -> Ints:
    """Every order of n units as far as curves tell orders apart, int64 `[chain, fraction]`, see `game_curves`: at most
    5,040 chains of growing sets for 8 units. Each stands for equally many orders."""
    chains = np.zeros((1, 0), dtype=np.int64)
    reached, before = np.zeros(1, dtype=np.int64), 0
    for count in counts(n_units):
        steps = np.array([sum(1 << unit for unit in chosen) for chosen in combinations(range(n_units), count - before)])
        grown = [(row, mine | steps[(mine & steps) == 0]) for row, mine in enumerate(reached.tolist())]
        reached = np.concatenate([sets for _, sets in grown])
        chains = np.column_stack([np.repeat(chains, [len(sets) for _, sets in grown], axis=0), reached])
        before = count
    return chains


def mean_curves(parts: Sequence[Curves]) -> Curves:
    """Mean over maskings, shapes as they are."""
    return Curves(
        np.mean([part.deletion for part in parts], axis=0), np.mean([part.insertion for part in parts], axis=0)
    )


def kendall(a: Float64, b: Float64) -> float:
    """Kendall's tau-b over where both are numbers; NaN for fewer than two, or where either is all the same."""
    both = np.isfinite(a) & np.isfinite(b)
    signs = [np.sign(x[both][:, None] - x[both]) for x in (a, b)]
    pairs = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
    return float((signs[0] * signs[1]).sum() / pairs) if pairs > 0 else float("nan")
