"""What may be written into a store. `headscope.storage.repository.Store` is the one implementation; both databases pass
the same contract tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from headscope.analysis.statistics.effect_rows import EffectRow
from headscope.analysis.types import ModelInfo, Progress, PromptSet, RunResult, RunStatus
from headscope.analysis.types.certificate import Certificate
from headscope.analysis.types.findings import Finding, ProbeResult
from headscope.storage.rows import PairRuns, RunFilter, Saved


class FindingSink(Protocol):
    """Writing what detectors and classifiers found in stored runs, and what people made of it."""

    def save_detections(
        self, where: RunFilter, detectors: Sequence[str], found: Sequence[tuple[str, ProbeResult]]
    ) -> None:
        """Replace what these detectors said of the runs of `where` by (run id, result) pairs, in one transaction."""

    def save_scores(self, classifier: str, found: Mapping[str, Sequence[Finding]], *, probe: str = "") -> None:
        """Replace what this classifier said of the toxicity of these runs, by run id, in one transaction; or, with
        `probe`, what that probe found by whatever classifier."""

    def save_effects(self, experiment: str, measure: str, read: PairRuns, found: Sequence[EffectRow]) -> None:
        """Replace what was known of the groups of this experiment by this measure (`bias_results`), in one transaction;
        `read` is what it was worked out from. Raises UnknownNameError for an experiment that is not there."""

    def triage(self, run_id: str, detector: str, status: str, note: str, tags: Sequence[str], who: str) -> None:
        """Add a person's judgement: `status` is open, confirmed or dismissed. Raises InputError for another word,
        UnknownNameError for a run that is not there."""


class ResultSink(Protocol):
    """Writing; one writer at a time (the store serialises)."""

    def start_job(
        self,
        *,
        experiment: str,
        model: str,
        spec: Mapping[str, Any],
        total: int,
        description: str = "",
        status: RunStatus = RunStatus.RUNNING,
    ) -> str:
        """Create (or reuse) the experiment and a job that this process carries out; returns the job id."""

    def claim_job(self, job_id: str, status: RunStatus) -> None:
        """A job there is goes on in this process. Raises InputError when another process carries it out."""

    def release_jobs(self) -> None:
        """Give up jobs whose process is known to be gone; `Store.open` does it too."""

    def finish_job(self, job_id: str, status: RunStatus, error: str | None = None) -> None:
        """Mark a job ended."""

    def report_job(self, job_id: str, progress: Progress) -> None:
        """Store how far a job is."""

    def find_results(self, keys: Sequence[str], job_id: str | None = None) -> Mapping[str, str]:
        """result_key -> id of a succeeded run, with `job_id` one of that job; failed ones, and those with a file
        missing, are computed again."""

    def save(
        self,
        job_id: str,
        info: ModelInfo,
        prompt_set: PromptSet,
        analyses: Sequence[str],
        seed: int,
        results: Sequence[RunResult],
        *,
        replace_old: bool = False,
    ) -> Saved:
        """One transaction: every run of the batch whole, or none. Attention artifacts are written before it. In one
        experiment, a prompt's failed run of the same result_key is replaced, never doubled; runs of the same
        result_key whose file was lost take the new one. With `replace_old` its succeeded run of that key is written
        again too, under the id it has."""

    def save_certificate(self, certificate: Certificate) -> None:
        """Add what the check of a model found; older certificates stay, the newest holds."""

    def reuse(self, job_id: str, prompt_set: PromptSet, hits: Mapping[str, str]) -> int:
        """Serve hits (prompt id -> run id) from the store: runs already in the job's experiment are left alone, others
        are copied into it with their arrays, by SQL. Returns how many there are now."""
