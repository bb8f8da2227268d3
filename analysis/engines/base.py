"""What every engine offers. Torch-free: the process that serves pages imports this and `local` only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headscope.analysis.classifiers.content_filter import Policy, Verdict
from headscope.analysis.running.preflight import Preflight
from headscope.analysis.types import Continuation, ModelInfo, ModelRef, OnBeat, Prompt, RunResult, RunSpec
from headscope.analysis.types.certificate import Certificate, CertificateKey
from headscope.analysis.types.findings import Finding, LoadedScorer
from headscope.analysis.types.interventions import InterventionRequest, InterventionResult
from headscope.analysis.types.judging import Judgement, JudgeRequest
from headscope.analysis.types.live import (
    LiveContinueRequest,
    LiveExplainRequest,
    LiveExplanation,
    LiveRequest,
    LiveResult,
)
from headscope.analysis.types.patching import PatchRequest, PatchResult


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request after its model was loaded and its prompts tokenised.

    keys: one `result_key` per prompt of the spec, in order. batches: indexes into the prompts, each a batch of similar
    length; together they hold every index once. preflight: what they will need. checked_as: what a check of this model
    holds for, None for a model that is not here.
    """

    info: ModelInfo
    keys: tuple[str, ...]
    batches: tuple[tuple[int, ...], ...]
    preflight: Preflight
    checked_as: CertificateKey | None = None


class AnalysisEngine(Protocol):
    """Runs analyses. Every method blocks, and raises HeadscopeError with a message fit for a user.

    `parallel` calls of `run_batch` from different threads run at the same time; more of them queue up.
    """

    parallel: int

    def check(self, spec: RunSpec) -> None:
        """Raises unless the model is here and every analysis and parameter exists. Cheap: nothing is loaded."""

    def prepare(self, spec: RunSpec, batch_size: int) -> Prepared:
        """Load the model and plan the batches; raises what `check` does."""

    def run_batch(self, spec: RunSpec, prompts: Sequence[Prompt], on_beat: OnBeat | None = None) -> list[RunResult]:
        """Results in the order of `prompts`; a bad prompt gives a failed result, never an exception.

        `on_beat` hears now and then how far the batch is; when it raises `Stopped` the batch ends, and so does this.
        """

    def certify(self, model: ModelRef, device: str, whole: bool) -> Certificate:
        """Check a model's numbers, all checks if `whole` or the quick ones. Raises NotApplicable for one that is not
        here."""

    def live(self, request: LiveRequest) -> LiveResult:
        """One typed prompt, nothing stored."""

    def explain(self, request: LiveExplainRequest) -> LiveExplanation:
        """A part of what a typed prompt's target rests on, nothing stored."""

    def write_on(self, request: LiveContinueRequest) -> Continuation:
        """What follows a typed prompt, nothing stored."""

    def judge(self, request: JudgeRequest) -> Judgement:
        """What a toxicity classifier says of one typed text, and why, nothing stored; raises what `scorer` does."""

    def patch(self, request: PatchRequest) -> PatchResult:
        """Activation patching between two typed prompts, nothing stored."""

    def intervene(self, request: InterventionRequest) -> InterventionResult:
        """A typed prompt with parts of the model switched off, scaled or patched, nothing stored."""

    def screen(self, texts: Sequence[str], policy: Policy) -> list[Verdict]:
        """What the content filter says of texts, before anything else is done with them."""

    def scorer(self, scorer: str) -> LoadedScorer:
        """This one of `registry.scorers()`, loaded. Raises UnknownNameError, or BackendError when it is not
        installed."""

    def score(
        self, scorer: str, texts: Sequence[tuple[str, str | None]], explain: bool = True
    ) -> list[tuple[Finding, ...]]:
        """What it says of (prompt, continuation) of runs, as its probe would, without `explain` not why; raises what
        `scorer` does."""

    def close(self) -> None:
        """Free models and processes; the engine may not be used afterwards."""
