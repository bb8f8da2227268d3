"""Prompts of counterfactual pairs and what was measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Members:
    """Prompts of pairs, measured, as columns `[prompt]`: the run, what it belongs to, its `value` (NaN is left out).

    tags: a name for the prompt's wording (`template:`) among them, and what kind of pair it is, for the table's rows.
    """

    run_id: Sequence[str]
    model: Sequence[str]
    prompt_set: Sequence[str]
    pair_id: Sequence[str]
    group: Sequence[str]
    tags: Sequence[tuple[str, ...]]
    text: Sequence[str]
    value: Floats

    def only(self, index: Sequence[int]) -> Members:
        """Some of them."""

        def of(column: Sequence[T]) -> list[T]:
            return [column[i] for i in index]

        return Members(
            of(self.run_id),
            of(self.model),
            of(self.prompt_set),
            of(self.pair_id),
            of(self.group),
            of(self.tags),
            of(self.text),
            self.value[list(index)],
        )
