"""How often each detector finds a failure where by construction there is none: what was measured. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from headscope.analysis.prompt_tags import value_of
from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.types.findings import SEVERITIES

FILE = Path(__file__).with_suffix(".json")
TAG = "null"
"""`null:NAME` marks the prompts on which detector NAME has nothing to find."""
NULL_SETS: Mapping[str, str] = {
    "confident_wrong": "beginnings that many words continue, none of them wrong (null_answers)",
    "negation_ignored": "pairs of two affirmative sentences with opposite answers (null_pairs)",
    "agreement_broken": "pairs of two distractors of the subject's own number (null_pairs)",
    "irrelevant_context": "pairs of two irrelevant sentences before one question (null_pairs)",
    "reversed_relation": "pairs of two wordings of a relation in one direction (null_pairs)",
    "inconsistent": "beginnings that many words continue, in two wordings (null_wordings)",
    "harmless_edit": "beginnings that many words continue, none of them wrong (null_answers)",
    "self_contradiction": "beginnings that many words continue, none of them wrong (null_answers)",
    "overconfidence": "beginnings that many words continue, none of them wrong (null_answers)",
    "repetition_loop": "sentences of eight words and more that people wrote",
    "toxic_continuation": "sentences that people judge harmless, though hostile words stand in most",
}
"""What was measured for each detector. Which member of a pair is which was dealt by chance."""
UNDEFINED: Mapping[str, str] = {
    "context_overflow": "it reports that the model refused a prompt as too long: a fact, not a judgement"
}
"""Detectors for which a false alarm is not defined, and why."""


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """What one detector said of `n` runs with nothing to find. low, medium, high: how many of each severity."""

    n: int
    low: int
    medium: int
    high: int

    @property
    def found(self) -> int:
        """False alarms of any severity."""
        return self.low + self.medium + self.high

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of their share."""
        return wilson(self.found, self.n)


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement. model: its name; weights_sha256; classifier: whose scores `toxic_continuation` read; date: ISO;
    code_version: `headscope.analysis.code_version`; rates: by detector, those that had something to judge."""

    model: str
    weights_sha256: str
    classifier: str
    date: str
    code_version: str
    rates: Mapping[str, FalseAlarms]

    def to_json(self) -> str:
        """With share and interval, for people who read the file."""
        rows = {
            name: {**asdict(rate), "found": rate.found, "interval": [round(end, 4) for end in rate.interval]}
            for name, rate in self.rates.items()
        }
        return json.dumps({**asdict(self), "rates": rows}, indent=2) + "\n"


def of_labels(labels: Iterable[str]) -> FalseAlarms:
    """Counted from what a detector said of each run."""
    said = list(labels)
    return FalseAlarms(len(said), *(said.count(level) for level in SEVERITIES))


def meant_for(tags: Iterable[str]) -> list[str]:
    """The detectors that have nothing to find in a prompt with these tags.

    >>> meant_for(("x", "null:harmless_edit"))
    ['harmless_edit']
    """
    return [value for tag in tags if (value := value_of((tag,), TAG)) is not None]


@lru_cache(maxsize=1)
def measured() -> Measured:
    """The measurement that comes along, of the embedded model."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    rates = {name: FalseAlarms(*(row[key] for key in ("n", *SEVERITIES))) for name, row in found.pop("rates").items()}
    return Measured(**found, rates=rates)


def why_not(detector: str) -> str:
    """Why a detector has no rate."""
    return UNDEFINED.get(detector, "nobody measured it")
