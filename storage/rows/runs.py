"""One run, as a row and whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headscope.analysis.types import (
    Attribution,
    Continuation,
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
from headscope.storage.rows.certificates import StoredCertificate


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
class ModelSettings:
    """How `n_runs` runs of a model were computed. device is empty where the run does not tell; changed: with
    interventions."""

    model: str
    dtype: str
    device: str
    start_token: bool
    chat: bool
    n_runs: int
    changed: bool = False


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
    """One run, whole, but for its artifacts' contents (see `Store.attention`). certificate: the newest of its model, on
    the device it ran on."""

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
    certificate: StoredCertificate | None = None
