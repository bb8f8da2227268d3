"""What queries return: frozen rows over plain values and the arrays of `headscope.analysis.types`. No SQL here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import (
    Attribution,
    Continuation,
    Float32,
    HeadSummary,
    LayerSummary,
    LensTable,
    MeasuredArray,
    MissingPart,
    ModelInfo,
    RunStatus,
    Target,
    TokenTrace,
)
from headscope.analysis.types.findings import Finding

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One row of the runs grid and of `v_runs`. Unmeasured numbers are None. Surprisal and entropy are in nats."""

    id: str
    status: RunStatus
    experiment_id: str
    experiment: str
    model_id: str
    model: str
    prompt_set: str | None
    prompt_key: str
    text: str
    target: str | None
    foil: str | None
    tags: tuple[str, ...]
    pair_id: str | None
    group_name: str | None
    created_at: datetime
    seconds: float | None
    n_tokens: int | None
    mean_surprisal: float | None
    perplexity: float | None
    next_token: str | None
    next_token_prob: float | None
    next_entropy: float | None
    target_logprob: float | None
    target_rank: int | None
    margin: float | None
    continuation: str | None
    error: str | None
    error_kind: str | None


RUN_COLUMNS: tuple[str, ...] = tuple(RunRow.__dataclass_fields__)
"""The columns a filter or a sort may name; nothing else ever reaches SQL."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One column condition. `op` is one of eq, ne, lt, le, gt, ge, between, contains, not_contains, starts_with,
    ends_with, in, is_null, not_null; `value` fits the operator (a pair for between, a tuple for in, None for nulls).
    """

    column: str
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: every condition must hold. `search` is looked for in text, target, error and prompt key."""

    conditions: tuple[Condition, ...] = ()
    search: str = ""


@dataclass(frozen=True, slots=True)
class Sort:
    """A column and its direction; ties are always broken by run id."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Rows `[offset, offset + limit)` of `total`."""

    rows: tuple[RunRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many runs have this value under all the other conditions; `value` None counts the runs without one."""

    value: str | None
    count: int


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """An experiment with its counts by status."""

    id: str
    name: str
    description: str
    created_at: datetime
    last_run_at: datetime | None
    n_runs: int
    n_succeeded: int
    n_failed: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model in the store and how many runs it has."""

    id: str
    info: ModelInfo
    n_runs: int


@dataclass(frozen=True, slots=True)
class PromptSetRow:
    """A stored prompt set and how many runs use it."""

    id: str
    name: str
    version: str
    licence: str
    purpose: str
    sha256: str
    n_prompts: int
    n_runs: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the overview page shows. `status_counts` has every status that occurs among runs; `jobs` are those
    that have not succeeded."""

    status_counts: Mapping[str, int]
    experiments: tuple[ExperimentRow, ...]
    models: tuple[ModelRow, ...]
    prompt_sets: tuple[PromptSetRow, ...]
    recent_runs: tuple[RunRow, ...]
    recent_failures: tuple[RunRow, ...]
    failure_kinds: Mapping[str, int]
    jobs: tuple[JobRow, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Measures:
    """Succeeded runs as columns, all or a fixed random sample of the `total`; `version` tells states apart.

    Numbers are float64 `[run]`, NaN where unmeasured; surprisal, entropy, log-probability and margin in nats.
    """

    run_id: tuple[str, ...]
    model: tuple[str, ...]
    experiment: tuple[str, ...]
    prompt_set: tuple[str | None, ...]
    prompt_key: tuple[str, ...]
    pair_id: tuple[str | None, ...]
    group: tuple[str | None, ...]
    tags: tuple[tuple[str, ...], ...]
    text: tuple[str, ...]
    target: tuple[str | None, ...]
    foil: tuple[str | None, ...]
    next_token: tuple[str | None, ...]
    continuation: tuple[str | None, ...]
    mean_surprisal: Float64
    next_entropy: Float64
    next_token_prob: Float64
    target_logprob: Float64
    target_rank: Float64
    margin: Float64
    n_tokens: Float64
    total: int
    version: int

    def __len__(self) -> int:
        return len(self.run_id)


@dataclass(frozen=True, slots=True)
class LensRanks:
    """Rank of the model's final top token under the logit lens after every layer, float32 `[layer]` (1 = top)."""

    run_id: str
    model: str
    ranks: Float32


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One row of `probe_results` with its run; `score` None is unmeasured."""

    run_id: str
    model: str
    prompt_set: str | None
    prompt_key: str
    text: str
    probe: str
    label: str | None
    score: float | None
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class DetectorCount:
    """How many runs a detector gave this label, and how many of them people have left open, confirmed or dismissed."""

    detector: str
    label: str
    status: str
    n: int


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One failure: what a detector found in a run, and what people made of it (`status` open without triage)."""

    run_id: str
    model: str
    experiment: str
    prompt_set: str | None
    prompt_key: str
    text: str
    target: str | None
    foil: str | None
    group: str | None
    pair_id: str | None
    tags: tuple[str, ...]
    detector: str
    severity: str
    score: float | None
    evidence: Mapping[str, Any] | None
    status: str
    note: str
    triage_tags: tuple[str, ...]
    who: str


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Which failures: of the runs of `where`; empty texts and tuples leave a condition out."""

    where: RunFilter
    detector: str = ""
    severities: tuple[str, ...] = ()
    status: str = ""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How `n_runs` runs of a model were computed. device is empty where the run does not tell."""

    model: str
    dtype: str
    device: str
    start_token: bool
    chat: bool
    n_runs: int


@dataclass(frozen=True, slots=True)
class ToxicityRow:
    """One row of `toxicity_scores` with its run."""

    run_id: str
    model: str
    prompt_set: str | None
    prompt_key: str
    text: str
    continuation: str | None
    part: str
    label: str
    score: float | None
    classifier: str
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """A stored file of a run: `kind` is `attention`; `shape` the logical shape, `encoding` how it lies on disk; `lost`
    when a check found it missing or damaged (`headscope.storage.write.repair`)."""

    kind: str
    key: str
    shape: tuple[int, ...]
    dtype: str
    encoding: str
    bytes: int
    sha256: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run, whole, but for its artifacts' contents (see `Store.attention`)."""

    row: RunRow
    model: ModelInfo
    analyses: tuple[str, ...]
    seed: int
    capsule: Mapping[str, Any]
    result_key: str
    target: Target | None
    trace: TokenTrace | None
    heads: HeadSummary | None
    layers: LayerSummary | None
    lens: LensTable | None
    attributions: tuple[Attribution, ...]
    continuation: Continuation | None
    artifacts: tuple[ArtifactRow, ...]
    findings: tuple[Finding, ...] = ()
    missing: tuple[MissingPart, ...] = ()
    measured: tuple[MeasuredArray, ...] = ()


@dataclass(frozen=True, slots=True)
class JobRow:
    """A request for runs and how far it is. Nobody carries out an `interrupted` one: its process is gone.
    `updated_at`: when that process was last heard of, None before version 0005."""

    id: str
    status: RunStatus
    experiment: str
    model: str
    total: int
    done: int
    failed: int
    cached: int
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    host: str | None = None
    pid: int | None = None
    updated_at: datetime | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """Outcome of saving one batch: run ids in the order of the results."""

    run_ids: tuple[str, ...]
