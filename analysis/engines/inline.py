"""Analyses in this very process: what a worker runs, and the command line when no server owns the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

from headscope.analysis.certificate import certify as certificates
from headscope.analysis.classifiers.content_filter import Policy, Verdict, screen
from headscope.analysis.engines.base import Prepared
from headscope.analysis.engines.model_cache import ModelCache, loader
from headscope.analysis.models import devices, sources
from headscope.analysis.models.chat_template import require_chat_template
from headscope.analysis.models.fingerprints import cache_dir
from headscope.analysis.models.places import read_config
from headscope.analysis.models.start_token import require_start_token
from headscope.analysis.running import intervening, judging, pairs, patching, runner, scorers, typed
from headscope.analysis.running.tensor_cache import TensorCache, tensor_cache_bytes
from headscope.analysis.types import Continuation, ModelRef, OnBeat, Prompt, RunResult, RunSpec
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

F = TypeVar("F", bound=Callable[..., Any])


def _one_at_a_time(method: F) -> F:
    @wraps(method)
    def called(self: InlineEngine, *arguments: Any) -> Any:
        with self._turn:
            return method(self, *arguments)

    return cast(F, called)


class InlineEngine:
    """An AnalysisEngine with a bounded cache of loaded models; calls of several threads take turns, because what a pass
    records is recorded at the model."""

    def __init__(self) -> None:
        self.parallel = 1
        self._turn = threading.RLock()
        self._models = ModelCache()
        self._tensors = TensorCache(cache_dir() / "tensors", tensor_cache_bytes())

    @_one_at_a_time
    def check(self, spec: RunSpec) -> None:
        """See `AnalysisEngine.check`."""
        _check(spec)
        read_config(sources.resolve(spec.model.name).path)

    @_one_at_a_time
    def prepare(self, spec: RunSpec, batch_size: int) -> Prepared:
        """See `AnalysisEngine.prepare`."""
        _check(spec)
        backend = self._models.get(spec.model, spec.device)
        keys = tuple(pairs.key_of(backend.info, spec, prompt) for prompt in spec.prompts)
        found = runner.planned(backend, spec, batch_size)
        return Prepared(backend.info, keys, tuple(map(tuple, found.batches)), found.needs, certificates.key_of(backend))

    @_one_at_a_time
    def load(self, model: ModelRef, device: str) -> None:
        """Have a model ready before it is asked for."""
        self._models.get(model, device)

    @_one_at_a_time
    def run_batch(self, spec: RunSpec, prompts: Sequence[Prompt], on_beat: OnBeat | None = None) -> list[RunResult]:
        """See `AnalysisEngine.run_batch`."""
        backend = self._models.get(spec.model, spec.device)
        return runner.run_batch(backend, replace(spec, model=_named(spec.model, backend.info.ref)), prompts, on_beat)

    @_one_at_a_time
    def certify(self, model: ModelRef, device: str, whole: bool) -> Certificate:
        """See `AnalysisEngine.certify`."""
        devices.require(device)
        return certificates.certify(self._models.get(model, device), whole=whole)

    @_one_at_a_time
    def live(self, request: LiveRequest) -> LiveResult:
        """See `AnalysisEngine.live`."""
        return typed.analyse_live(self._models.get(ModelRef(request.model)), request)

    @_one_at_a_time
    def explain(self, request: LiveExplainRequest) -> LiveExplanation:
        """See `AnalysisEngine.explain`."""
        return typed.explain_live(self._models.get(ModelRef(request.look.model)), request)

    @_one_at_a_time
    def write_on(self, request: LiveContinueRequest) -> Continuation:
        """See `AnalysisEngine.write_on`."""
        return typed.continue_live(self._models.get(ModelRef(request.model)), request)

    @_one_at_a_time
    def judge(self, request: JudgeRequest) -> Judgement:
        """See `AnalysisEngine.judge`."""
        return judging.judge_typed(request)

    @_one_at_a_time
    def patch(self, request: PatchRequest) -> PatchResult:
        """See `AnalysisEngine.patch`."""
        return patching.analyse_patch(self._models.get(ModelRef(request.model)), request, self._tensors)

    @_one_at_a_time
    def intervene(self, request: InterventionRequest) -> InterventionResult:
        """See `AnalysisEngine.intervene`."""
        return intervening.analyse_interventions(self._models.get(ModelRef(request.model)), request)

    @_one_at_a_time
    def screen(self, texts: Sequence[str], policy: Policy) -> list[Verdict]:
        """See `AnalysisEngine.screen`."""
        return screen(texts, policy)

    @_one_at_a_time
    def scorer(self, scorer: str) -> LoadedScorer:
        """See `AnalysisEngine.scorer`."""
        return scorers.loaded(scorer)

    @_one_at_a_time
    def score(
        self, scorer: str, texts: Sequence[tuple[str, str | None]], explain: bool = True
    ) -> list[tuple[Finding, ...]]:
        """See `AnalysisEngine.score`."""
        return scorers.scored(scorer, texts, explain=explain)

    def close(self) -> None:
        """See `AnalysisEngine.close`."""
        self._models = ModelCache()


def _check(spec: RunSpec) -> None:
    """What can be known of a request before its model is loaded."""
    runner.check(spec)
    loader(spec.model.backend)
    devices.require(spec.device)
    if spec.chat:
        require_chat_template(sources.resolve(spec.model.name))
    if spec.start_token:
        require_start_token(sources.resolve(spec.model.name))


def _named(asked: ModelRef, loaded: ModelRef) -> ModelRef:
    return replace(loaded, name=asked.name)
