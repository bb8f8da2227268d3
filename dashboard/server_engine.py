"""What pages may ask of the serving process: typed texts, models and jobs, each in its turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from headscope.analysis.classifiers.content_filter import Verdict, allow
from headscope.analysis.engines.base import AnalysisEngine
from headscope.analysis.errors import HeadscopeError, UnknownNameError
from headscope.analysis.models import listing
from headscope.analysis.types import Continuation, ModelRef
from headscope.analysis.types.certificate import Certificate
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
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.line import Line, Slots
from headscope.dashboard.offered import NOT_LISTED, offered
from headscope.dashboard.services import ModelListing
from headscope.jobs.request import JobRequest

MOST_WAITING = 32
"""Typed prompts in front of the engine; more are sent away at once."""


class ServerEngine:
    """What pages may ask for (`services.AnalysisEngine`): typed prompts, models, and jobs.

    Only models of `model_listing.list_models` are loaded for them: whoever reaches the server, from a web page or
    another account of this machine, must not have it open folders. Jobs that `headscope run` hands over with the note's
    token go to `jobs` itself and may name a folder.
    """

    def __init__(self, engine: AnalysisEngine, jobs: JobQueue, slots: Slots | None = None) -> None:
        self._engine, self.jobs = engine, jobs
        self._line, self._slots = Line(MOST_WAITING), slots or Slots(1)
        self._listed: set[str] = set()
        self._loading = ""

    def warm(self, name: str) -> None:
        """Begin to have a model ready before anybody asks for it, and its first pass done, which is slower than the
        others. Until then `loading` names it; what is wrong with it is said to whoever asks for it."""
        self._loading = name
        threading.Thread(target=self._warm, args=(name,), name="headscope-warm", daemon=True).start()

    def _warm(self, name: str) -> None:
        try:
            with suppress(HeadscopeError):
                self.explain(LiveExplainRequest(LiveRequest(name, "The sea"), "token", "mean"))
        finally:
            self._loading = ""

    def loading(self) -> str:
        """See `services.AnalysisEngine.loading`."""
        return self._loading

    @contextmanager
    def _turn(self, client: str = "", sequence: int = 0) -> Iterator[None]:
        """The engine's turn, waited for and used without keeping a page from being answered."""
        with self._slots.aside(), self._line.turn(client, sequence):
            yield

    def live(self, request: LiveRequest, client: str = "", sequence: int = 0) -> LiveResult:
        """See `services.AnalysisEngine.live`."""
        self.only_listed(request.model)
        with self._turn(client, sequence):
            verdict = self._allow(request.text, request.target, request.foil)
            result = self._engine.live(request)
        return replace(result, caution=verdict.caution)

    def explain(self, request: LiveExplainRequest, client: str = "", sequence: int = 0) -> LiveExplanation:
        """See `services.AnalysisEngine.explain`."""
        look = request.look
        self.only_listed(look.model)
        with self._turn(client, sequence):
            self._allow(look.text, look.target, look.foil)
            return self._engine.explain(request)

    def write_on(self, request: LiveContinueRequest, client: str = "", sequence: int = 0) -> Continuation:
        """See `services.AnalysisEngine.write_on`."""
        self.only_listed(request.model)
        with self._turn(client, sequence):
            self._allow(request.text)
            return self._engine.write_on(request)

    def judge(self, request: JudgeRequest, client: str = "", sequence: int = 0) -> Judgement:
        """See `services.AnalysisEngine.judge`."""
        with self._turn(client, sequence):
            verdict = self._allow(request.text)
            found = self._engine.judge(request)
        return replace(found, caution=verdict.caution)

    def patch(self, request: PatchRequest) -> PatchResult:
        """See `services.AnalysisEngine.patch`."""
        self.only_listed(request.model)
        with self._turn():
            self._allow(request.clean, request.corrupted, request.target, request.foil)
            return self._engine.patch(request)

    def intervene(self, request: InterventionRequest, client: str = "", sequence: int = 0) -> InterventionResult:
        """See `services.AnalysisEngine.intervene`."""
        self.only_listed(request.model)
        with self._turn(client, sequence):
            self._allow(request.text, request.source, request.target, request.foil)
            return self._engine.intervene(request)

    def certify(self, model: ModelRef, device: str) -> Certificate:
        """All checks of a model, kept in the store; behind the batch at work."""
        with self._slots.aside():
            return self.jobs.certify(model, device)

    def scorer(self, scorer: str) -> LoadedScorer:
        """See `AnalysisEngine.scorer`."""
        return self._engine.scorer(scorer)

    def score(
        self, scorer: str, texts: Sequence[tuple[str, str | None]], explain: bool = True
    ) -> list[tuple[Finding, ...]]:
        """See `AnalysisEngine.score`; behind the batch at work."""
        with self._slots.aside():
            return self._engine.score(scorer, texts, explain)

    def models(self) -> Sequence[ModelListing]:
        """See `services.AnalysisEngine.models`."""
        return offered(self.jobs.stored_models())

    def submit(self, request: JobRequest) -> str:
        """See `services.AnalysisEngine.submit`."""
        self.only_listed(request.model)
        for prompt in request.prompt_set.prompts:
            self._allow(prompt.text, prompt.target, prompt.foil, prompt.counterfactual)
        return self.jobs.submit(request)

    def only_listed(self, name: str) -> None:
        """Raises UnknownNameError for another name. One that was found is remembered: listing reads every folder."""
        if name in self._listed:
            return
        names = [model.name for model in listing.list_models()]
        # A hub id like owner/name may also be a folder below the server's, which would be read instead.
        if name not in names or ("/" in name and Path(name).is_dir()):
            raise UnknownNameError("model", name, names, NOT_LISTED)
        self._listed.add(name)

    def content_filter(self) -> str:
        """See `services.AnalysisEngine.content_filter`."""
        return self.jobs.policy.describe()

    def _allow(self, *texts: str | None) -> Verdict:
        return allow(self._engine.screen, self.jobs.policy, *texts)
