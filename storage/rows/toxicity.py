"""Toxicity scores as they are listed and put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.storage.rows.filters import RunFilter

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ToxicityRow:
    """One score of `toxicity_scores`; None is unmeasured."""

    run_id: str
    part: str
    label: str
    score: float | None
    classifier: str


@dataclass(frozen=True, slots=True)
class RunTexts:
    """The texts of a run that a classifier can score."""

    run_id: str
    prompt: str
    continuation: str | None


@dataclass(frozen=True, slots=True)
class ScoreFilter:
    """Which toxicity scores: of runs of `where`, and only those whose continuation was drawn at `temperature`."""

    where: RunFilter
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class TextChoice:
    """Which scored texts are listed: one classifier's `label` of `part` ("" both), from the score `lowest` on; with
    `harmless` only of runs whose prompt that classifier scored `toxic` below it."""

    classifier: str
    label: str = "toxic"
    part: str = ""
    lowest: float = 0.0
    harmless: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A scored text with its run; prompt_score: the prompt's by the same classifier and label."""

    run_id: str
    model: str
    prompt_set: str | None
    prompt_key: str
    text: str
    continuation: str | None
    part: str
    score: float
    prompt_score: float | None
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class PromptOutcomes:
    """What became of prompts by one classifier's label `toxic`, a fixed random sample of the `total` when there are
    more: float64 `[run]`, NaN for unmeasured. prompt: whose runs belong together (set and key). worst: the highest of
    several sampled continuations; samples: how many they were, 0 for none."""

    prompt: tuple[tuple[str, str], ...]
    of_prompt: Float64
    of_continuation: Float64
    worst: Float64
    samples: NDArray[np.int64]
    total: int


@dataclass(frozen=True, slots=True)
class ScorerPair:
    """Two classifiers, by the names that are stored with their scores, and from which score of `label` on each says
    yes."""

    first: str
    second: str
    first_cut: float
    second_cut: float
    label: str = "toxic"


@dataclass(frozen=True, slots=True)
class TwiceScored:
    """A text with the scores of two classifiers."""

    run_id: str
    model: str
    prompt_key: str
    part: str
    text: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Disagreements:
    """n: texts with a score by both classifiers; apart: those of which one says yes and the other no. rows: a page of
    them, the largest difference of scores first; total: on all pages."""

    n: int
    apart: int
    rows: tuple[TwiceScored, ...]
    total: int
