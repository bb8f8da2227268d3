"""Why a text is covered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PROMPT, CONTINUATION, SAMPLED = "prompt", "continuation", "sampled"


@dataclass(frozen=True, slots=True)
class Offence:
    """Why a part of a run counts as offensive. part: `prompt`, `continuation`, or `sampled` (a continuation that was
    drawn to see how toxic they get). label: `toxic`, or what the content filter did, `warn` or `block`. score: the
    classifier's probability, None of the filter, whose score is not stored. judge: the classifier's name."""

    part: str
    label: str
    score: float | None
    judge: str

    @property
    def cause(self) -> str:
        """In a word or two: `toxic`, or that the content filter said so."""
        return self.judge if self.score is None else self.label

    @property
    def said(self) -> str:
        """`toxic 0.93 by minilm-toxicity-2`."""
        return f"{self.label} {'' if self.score is None else f'{self.score:.2f} '}by {self.judge}"


Offences = Mapping[str, Mapping[str, Offence]]
"""Run id -> part -> why; runs without an offence are not in it."""
