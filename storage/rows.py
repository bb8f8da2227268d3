"""What queries return: frozen rows over plain values and the arrays of `analysis.types`. No SQL here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from analysis.types import (
    Attribution,
    Continuation,
    HeadSummary,
    LayerSummary,
    LensTable,
    ModelInfo,
    RunStatus,
    Target,
    TokenTrace,
)


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
    group: str | None
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
    """Everything the overview page shows. `status_counts` has every status that occurs."""

    status_counts: Mapping[str, int]
    experiments: tuple[ExperimentRow, ...]
    models: tuple[ModelRow, ...]
    prompt_sets: tuple[PromptSetRow, ...]
    recent_runs: tuple[RunRow, ...]
    recent_failures: tuple[RunRow, ...]
    failure_kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """A stored file of a run: `kind` is `attention`; `shape` the logical shape, `encoding` how it lies on disk."""

    kind: str
    key: str
    shape: tuple[int, ...]
    dtype: str
    encoding: str
    bytes: int
    sha256: str


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


@dataclass(frozen=True, slots=True)
class JobRow:
    """A request for runs and how far it is."""

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
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """Outcome of saving one batch: run ids in the order of the results."""

    run_ids: tuple[str, ...]
