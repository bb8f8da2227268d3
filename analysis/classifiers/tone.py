"""What a reader of tone says of a text: one number from negative to positive. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reading:
    """score: in [-1, 1], NaN for a text in which there is nothing to read. label: a word for it. shares: what the score
    was made of, in [0, 1]. spans: the characters of the text that it rests on, where that is known."""

    score: float = math.nan
    label: str | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    spans: tuple[tuple[int, int], ...] = ()


class ToneReader(Protocol):
    """name: what is stored with a reading: name and version."""

    @property
    def name(self) -> str:
        """Name and version."""

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """In the order of `texts`."""
