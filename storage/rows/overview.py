"""What a store holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from headscope.analysis.types import ModelInfo
from headscope.storage.rows.certificates import StoredCertificate
from headscope.storage.rows.jobs import JobRow
from headscope.storage.rows.runs import RunRow


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
    """A model in the store, how many runs it has, and what its newest check found."""

    id: str
    info: ModelInfo
    n_runs: int
    certificate: StoredCertificate | None = None


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
