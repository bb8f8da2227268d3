"""What methods did over many runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headscope.analysis.types import Float32


@dataclass(frozen=True, slots=True)
class MethodStats:
    """One method over many runs (of one prompt set, when asked for by set). Unmeasured is None.

    n: attributions. n_failed: without scores. n_not_converged: not to be built on, by their method's own word.
    n_ranked: with one score per token, which is what a receipt needs.
    n_receipts: whose removal test was measured, and n_better of them beat random orders. gain: mean over those of gain
    minus random gain, deviation its sample's standard deviation (nats). comprehensiveness, sufficiency: means.
    error, sensitivity: medians, over n_error and n_sensitivity. seconds: mean per prompt. peak_bytes: the most.
    """

    method: str
    prompt_set: str | None
    signed: bool
    n: int
    n_failed: int
    n_not_converged: int
    n_ranked: int
    n_receipts: int
    n_better: int
    gain: float | None
    deviation: float | None
    comprehensiveness: float | None
    sufficiency: float | None
    n_error: int
    error: float | None
    n_sensitivity: int
    sensitivity: float | None
    seconds: float | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class MethodFailure:
    """Why a method has no scores, on how many runs, and one of them."""

    method: str
    reason: str
    count: int
    run_id: str


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """The removal test of one attribution, with its run. Changes of the explained quantity are in nats. converged is
    the method's own word, None when it gives none."""

    run_id: str
    method: str
    experiment: str
    model: str
    prompt_set: str | None
    prompt_key: str
    text: str
    target: str
    foil: str | None
    verdict: str
    reason: str | None
    masking: str
    n_units: int
    n_random: int
    comprehensiveness: float | None
    sufficiency: float | None
    gain: float | None
    random_gain: float | None
    random_low: float | None
    random_high: float | None
    p_value: float | None
    error: float | None
    sensitivity: float | None
    converged: bool | None


@dataclass(frozen=True, slots=True)
class PromptScores:
    """What every method says about one run: float32 `[position]` of each, which of them are signed, and which say that
    they did not converge."""

    run_id: str
    prompt_set: str | None
    prompt_key: str
    model: str
    text: str
    target: str
    foil: str | None
    scores: Mapping[str, Float32]
    signed: frozenset[str]
    not_converged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ScoreSample:
    """Scores of `runs`, all or a fixed random sample of the `total` that have some; `version` tells states apart."""

    runs: tuple[PromptScores, ...]
    total: int
    version: int
