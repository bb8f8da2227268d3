"""What was measured of the shipped toxicity classifier, read from the file beside its weights. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

CARD_FILE = "card.json"
FOLDER = Path(__file__).with_name("toxicity")


@dataclass(frozen=True, slots=True)
class ScorerCard:
    """figures, baseline: lines `{name, value, low, high, n}`. thresholds: precision, recall and false positives by
    threshold. reliability: `statistics.calibration.Reliability`. identity_swaps: score shift by group word."""

    classifier: str
    threshold: float
    figures: tuple[Mapping[str, Any], ...]
    baseline: tuple[Mapping[str, Any], ...]
    thresholds: tuple[Mapping[str, float], ...]
    reliability: Mapping[str, Any]
    identity_swaps: tuple[Mapping[str, Any], ...]

    def figure(self, name: str) -> Mapping[str, Any]:
        """The line called `name`. Raises KeyError."""
        return next(line for line in self.figures if line["name"] == name)


@lru_cache(maxsize=1)
def card(folder: Path = FOLDER) -> ScorerCard:
    """The card of the shipped classifier."""
    stated = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    return ScorerCard(
        stated["classifier"],
        stated["threshold"],
        tuple(stated["figures"]),
        tuple(stated["baseline"]["figures"]),
        tuple(stated["thresholds"]),
        stated["reliability"],
        tuple(stated["identity_swaps"]),
    )
