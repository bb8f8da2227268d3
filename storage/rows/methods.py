"""What methods did over many runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Float32

MEASURES = ("over_random", "over_recency")


@dataclass(frozen=True, slots=True)
class MethodStats:
    """One method over many runs (of one prompt set, when asked for by set). Unmeasured is None.

    n: attributions. n_failed: without scores. n_not_converged: not to be built on, by their method's own word; means,
    medians and the counts they are over leave these out unless they were asked for. n_ranked: with one score per token,
    which is what a receipt needs.
    n_tested: receipts with a verdict, those that did not converge among them: n_better (than random and recency),
    n_better_than_random (only), n_uncompared (with recency: schemas before 0011), n_no_better and n_unsure (not
    converged) add up to it.
    n_receipts: whose removal test was measured; comprehensiveness, sufficiency: their means (nats), over_random and, of
    the n_recency that have it, over_recency: means of the gain minus that of random orders and of "last first".
    n_shapley: compared with exact Shapley values, n_top1 with the same highest-ranked unit.
    error, sensitivity: medians, over n_error and n_sensitivity. seconds, peak_bytes: medians per prompt that has
    scores, with the 10th and 90th percentile. models: whose attributions these are.
    """

    method: str
    prompt_set: str | None
    signed: bool
    n: int
    n_failed: int
    n_not_converged: int
    n_ranked: int
    n_tested: int
    n_better: int
    n_better_than_random: int
    n_uncompared: int
    n_no_better: int
    n_unsure: int
    n_receipts: int
    over_random: float | None
    n_recency: int
    over_recency: float | None
    comprehensiveness: float | None
    sufficiency: float | None
    n_shapley: int
    n_top1: int
    shapley_tau: float | None
    n_error: int
    error: float | None
    n_sensitivity: int
    sensitivity: float | None
    seconds: float | None
    seconds_low: float | None
    seconds_high: float | None
    peak_bytes: float | None
    peak_low: float | None
    peak_high: float | None
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MethodGains:
    """What intervals of the means in `MethodStats` are worked out from. keys: (method, prompt set or None); sums,
    counts: float64 `[prompt, key, measure]` over `MEASURES`. The two sides of a pair are one prompt; of very many,
    random ones are added up."""

    keys: tuple[tuple[str, str | None], ...]
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MethodFailure:
    """Why a method has no scores, on how many runs, and one of them."""

    method: str
    reason: str
    count: int
    run_id: str


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """The evidence for one attribution, with its run. Changes of the explained quantity are in nats. converged is the
    method's own word, None when it gives none. seconds: of the evidence; method_seconds, peak_bytes: of the method."""

    run_id: str
    method: str
    experiment: str
    model: str
    prompt_set: str | None
    prompt_key: str
    text: str
    quantity: str
    target: str
    foil: str | None
    verdict: str
    reason: str | None
    unit: str | None
    masking: str
    n_units: int
    n_random: int
    exact: bool | None
    comprehensiveness: float | None
    sufficiency: float | None
    gain: float | None
    random_gain: float | None
    random_low: float | None
    random_high: float | None
    p_value: float | None
    recency_gain: float | None
    shapley_top1: float | None
    shapley_tau: float | None
    second_baseline: str | None
    baseline_tau: float | None
    error: float | None
    sensitivity: float | None
    noise_draws: int
    randomisation: float | None
    seconds: float | None
    method_seconds: float | None
    peak_bytes: int | None
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
