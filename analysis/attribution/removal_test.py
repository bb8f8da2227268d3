"""Do the tokens an attribution ranks high matter more than tokens picked at random? Tested by removing them.

Curves: deletion and insertion over token removal (Samek et al. 2016; comprehensiveness and sufficiency, DeYoung et al.
2020); gain: their difference (symmetric relevance gain, Bluecher et al. 2024), which does not reward a masking for
leaving the distribution. Null: random orders of the same tokens of the same prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from headscope.analysis.attribution.masking import Bools, Float64, masked_values, units_of
from headscope.analysis.attribution.sampling_rows import generator_of
from headscope.analysis.types import Float32, Target
from headscope.analysis.workspace import Workspace, quantities

FRACTIONS = (0.2, 0.4, 0.6, 0.8)
"""Symmetric around one half: then the reverse of an order has exactly the opposite gain."""
LEVEL = 0.05
FEWEST = 4  # of three tokens there are six orders: no order can stand out at one in twenty
_TIE = 1e-6


@dataclass(frozen=True, slots=True)
class Curves:
    """Changes of the explained quantity (nats), float64 `[fraction]`: without the highest-ranked tokens (deletion), and
    with them alone (insertion)."""

    deletion: Float64
    insertion: Float64

    @property
    def gain(self) -> float:
        """AOPC of deletion minus that of insertion; for a random order 0 on average."""
        return float(self.deletion.mean() - self.insertion.mean())


@dataclass(frozen=True, slots=True)
class Ranking:
    """One order of the removable tokens of one prompt, most important first: int64 `[unit]`, indexes into its units."""

    prompt: int
    order: np.ndarray


class RemovalTest:
    """The removable tokens of a batch's prompts, and `n_random` random orders of each, the same in any batch."""

    def __init__(self, work: Workspace, targets: Sequence[Target], masking: str, n_random: int, seed: int) -> None:
        self._work, self._targets, self._masking = work, targets, masking
        self.n_random = n_random
        self.units = [units_of(text, int(at), "token") for text, at in zip(work.texts, work.positions, strict=True)]
        self._generators = [generator_of(text, seed) for text in work.texts]
        self._full = quantities(work.next_logits, targets).cpu().double().numpy()
        self.random = [
            [Ranking(i, self._shuffled(i)) for _ in range(n_random)] if len(units) >= FEWEST else []
            for i, units in enumerate(self.units)
        ]

    def ranking(self, prompt: int, scores: Float32) -> Ranking:
        """The order of `scores` float32 `[T]`: largest first; ties in random order, unmeasured tokens last."""
        found = np.array([scores[unit][0] for unit in self.units[prompt]], dtype=np.float64)
        found[np.isnan(found)] = -np.inf
        mixed = self._shuffled(prompt)
        return Ranking(prompt, mixed[np.argsort(-found[mixed], kind="stable")])

    def _shuffled(self, prompt: int) -> np.ndarray:
        return torch.randperm(len(self.units[prompt]), generator=self._generators[prompt]).numpy()

    def curves(self, rankings: Sequence[Ranking]) -> list[Curves]:
        """The two curves of every ranking; all their variants share passes, equal ones are computed once."""
        masks = [mask for ranking in rankings for mask in self._masks(ranking)]
        owners = [ranking.prompt for ranking in rankings for _ in range(2 * len(FRACTIONS))]
        values = masked_values(self._work, self._targets, owners, masks, self._masking)
        by_ranking = values.reshape(len(rankings), 2, len(FRACTIONS))
        return [
            Curves(*(self._full[ranking.prompt] - mine))
            for ranking, mine in zip(rankings, by_ranking, strict=True)
        ]  # fmt: skip

    def _masks(self, ranking: Ranking) -> list[Bools]:
        """Tokens that stay: first without, then with alone, the highest-ranked of each fraction."""
        units = np.array(self.units[ranking.prompt])[ranking.order]
        removable = units.any(0)
        tops = [units[:count].any(0) for count in counts(len(units))]
        return [~top for top in tops] + [~removable | top for top in tops]


def counts(n_units: int) -> list[int]:
    """How many tokens each fraction is; those of f and 1 - f add up to all."""
    lower = [round(fraction * n_units) for fraction in FRACTIONS[: len(FRACTIONS) // 2]]
    return lower + [n_units - count for count in reversed(lower)]


def p_value(gain: float, random_gains: Sequence[float]) -> float:
    """Share of orders that gain at least as much, this one among them: exact under the null (a permutation test).

    Every order counts with its reverse, whose gain is the opposite; ties count against the attribution.
    """
    magnitudes = np.abs(np.array([gain, *random_gains]))
    members = np.concatenate([magnitudes, -magnitudes])
    return float((members >= gain - _TIE).mean())
