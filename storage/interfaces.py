"""What the app and the command line may ask of a store. `storage.repository.Store` is the one implementation; both
databases pass the same contract tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.types import ModelInfo, Progress, PromptSet, RunResult, RunStatus
from storage.rows import FacetCount, JobRow, Overview, RunDetail, RunFilter, RunRow, RunsPage, Saved, Sort


class RunReader(Protocol):
    """Reading; safe to call from many threads at once."""

    url: str

    def overview(self, recent: int = 10) -> Overview:
        """Counts, experiments, models, prompt sets, recent runs and failures."""

    def runs_page(self, where: RunFilter, sort: Sequence[Sort] = (), offset: int = 0, limit: int = 100) -> RunsPage:
        """A page of runs, newest first by default. Raises UnknownNameError for a column that is not public."""

    def facets(self, where: RunFilter, columns: Sequence[str], limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """Counts per value of each column (model, prompt_set, tags, status, experiment, error_kind), each under the
        conditions on the OTHER columns, most frequent first."""

    def run(self, run_id: str) -> RunDetail:
        """Raises UnknownNameError when there is no such run."""

    def runs(self, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """Rows in the order asked; unknown ids are left out."""

    def attention(self, run_id: str) -> NDArray[np.float16] | None:
        """`[layer, head, query, key]` from the artifact (checksum verified), None when it was not kept.

        Raises StorageError when the file is missing or damaged.
        """

    def job(self, job_id: str) -> JobRow:
        """Raises UnknownNameError."""

    def jobs(self, limit: int = 50) -> tuple[JobRow, ...]:
        """Newest first."""

    def last_unfinished_job(self) -> JobRow | None:
        """The newest job that did not succeed (cancelled, failed, or running when its process died)."""


class ResultSink(Protocol):
    """Writing; one writer at a time (the store serialises)."""

    def start_job(
        self, *, experiment: str, model: str, spec: Mapping[str, Any], total: int, description: str = ""
    ) -> str:
        """Create (or reuse) the experiment and a running job; returns the job id."""

    def finish_job(self, job_id: str, status: RunStatus, error: str | None = None) -> None:
        """Mark a job ended."""

    def report_job(self, job_id: str, progress: Progress) -> None:
        """Store how far a job is."""

    def find_results(self, keys: Sequence[str]) -> Mapping[str, str]:
        """result_key -> id of a succeeded run (failed ones are tried again)."""

    def save(
        self,
        job_id: str,
        info: ModelInfo,
        prompt_set: PromptSet,
        analyses: Sequence[str],
        seed: int,
        results: Sequence[RunResult],
    ) -> Saved:
        """One transaction: every run of the batch whole, or none. Attention artifacts are written before it. In one
        experiment, a prompt's failed run of the same result_key is replaced, never doubled."""

    def reuse(self, job_id: str, prompt_set: PromptSet, hits: Mapping[str, str]) -> int:
        """Serve hits (prompt id -> run id) from the store: runs already in the job's experiment are left alone, others
        are copied into it with their arrays, by SQL. Returns how many there are now."""
