"""Runs of a model behind an API, stored like any other: parts as tokens, importances as attributions."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from headscope.analysis.blackbox import answer_tests, units
from headscope.analysis.blackbox.backend import CLOSED, ApiBackend, continuation, likeliest
from headscope.analysis.blackbox.client import upper_bound
from headscope.analysis.blackbox.game import target_logprob, target_token
from headscope.analysis.blackbox.settings import Settings, question
from headscope.analysis.blackbox.study import Study, most_questions, study
from headscope.analysis.blackbox.substitutes import stand_ins
from headscope.analysis.classifiers.content_filter import Policy, Verdict, screen
from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.engines.base import Prepared
from headscope.analysis.errors import InputError, NotApplicable
from headscope.analysis.running.preflight import Preflight
from headscope.analysis.types import (
    Attribution,
    Beat,
    Continuation,
    Float32,
    GenerationParams,
    ModelRef,
    OnBeat,
    Prompt,
    RunResult,
    RunSpec,
    RunStatus,
    Target,
    TokenTrace,
    result_key,
)
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

BYTES_PER_PART = 200


class BlackBoxEngine:
    """An AnalysisEngine that asks an API; one prompt a batch, so that every prompt is stored as soon as it is done."""

    parallel = 1

    def __init__(self, backend: ApiBackend, settings: Settings, pairs: Mapping[str, str] | None = None) -> None:
        """pairs: words and their counterparts, for the masking `counterfactual`."""
        self._backend, self._client, self._settings = backend, backend.client, settings
        self._pairs = pairs or {}
        self._info = backend.info
        self._wordings: Mapping[str, Sequence[Prompt]] = {}
        self.saved = 0
        """Changed prompts that were planned and not asked, because the ranks were settled before."""

    def check(self, spec: RunSpec) -> None:
        """Nothing to look at: only asking tells whether the API has the model."""

    def prepare(self, spec: RunSpec, batch_size: int) -> Prepared:
        """See `AnalysisEngine.prepare`."""
        self._wordings = answer_tests.wordings(spec.prompts) if self._settings.tests else {}
        keys = tuple(self._key(spec, prompt) for prompt in spec.prompts)
        lengths = [len(prompt.text.split()) for prompt in spec.prompts]
        needs = Preflight(len(keys), len(keys), max(lengths, default=0), 0, sum(lengths) * BYTES_PER_PART)
        return Prepared(self._info, keys, tuple((i,) for i in range(len(keys))), needs)

    def bounds(self, prompts: Sequence[Prompt]) -> tuple[int, int]:
        """Most calls and most tokens that these prompts can need, answers known from before not counted off."""
        if self._settings.tests:
            asked = [item for prompt in prompts for item in answer_tests.questions(prompt, self._settings)]
            return len(asked), sum(upper_bound(item, self._client.endpoint.chat) for item in asked)
        calls = [most_questions(prompt.text, self._settings) for prompt in prompts]
        longest = [
            upper_bound(question(self._longest(prompt.text), self._settings), self._client.endpoint.chat)
            for prompt in prompts
        ]
        return sum(calls), sum(n * size for n, size in zip(calls, longest, strict=True))

    def _longest(self, text: str) -> str:
        """No changed prompt has more bytes than this: every word, or what stands in for it if that is longer."""
        parts = units.spans(text, "word")
        becomes = stand_ins(text, parts, self._settings.masking, self._pairs)
        edited = "  "  # a harmless edit adds a space, or doubles a letter
        return edited + "".join(
            max(text[start:end], other or "", key=lambda piece: len(piece.encode()))
            for (start, end), other in zip(parts, becomes, strict=True)
        )

    def run_batch(self, spec: RunSpec, prompts: Sequence[Prompt], on_beat: OnBeat | None = None) -> list[RunResult]:
        """See `AnalysisEngine.run_batch`. A prompt the API refuses is a failed run; a spent budget or a lost
        server stops."""
        results = []
        for number, prompt in enumerate(prompts):
            if on_beat is not None:
                on_beat(Beat("asking the API", number / len(prompts)))
            results.append(self._run(spec, prompt))
        return results

    def _run(self, spec: RunSpec, prompt: Prompt) -> RunResult:
        started = time.monotonic()
        key = self._key(spec, prompt)
        before = self._client.calls, self._client.remembered
        try:
            if prompt.invalid or not prompt.text.strip():
                raise InputError(prompt.invalid or "the prompt is empty.", prompt.invalid_kind or "empty")
            found = self._study(prompt)
        except InputError as error:
            seconds = time.monotonic() - started
            return RunResult(prompt, RunStatus.FAILED, key, seconds, self._capsule(), str(error), error.kind)
        asked = {"calls": self._client.calls - before[0], "answers_from_cache": self._client.remembered - before[1]}
        self.saved += found.saved
        seconds = time.monotonic() - started
        target = _target(prompt, found)
        return RunResult(
            prompt=prompt,
            status=RunStatus.SUCCEEDED,
            result_key=key,
            seconds=seconds,
            capsule=self._capsule() | asked,
            target=target,
            trace=_trace(prompt.text, found),
            attributions=tuple(_attributions(found, target, seconds, self._settings)),
            continuation=continuation(found.answer, self._generation),
            findings=found.findings,
        )

    def _study(self, prompt: Prompt) -> Study:
        if self._settings.tests:
            return answer_tests.checked(self._client, prompt, self._settings, self._wordings.get(prompt.id, ()))
        return study(self._client, prompt.text, prompt.target, self._settings, self._pairs)

    def _key(self, spec: RunSpec, prompt: Prompt) -> str:
        """A tested prompt is held against its other wordings, and keeps its pair and group: the key has them."""
        if self._settings.tests:
            others = [(other.text, other.target) for other in self._wordings.get(prompt.id, ())]
            spec = replace(spec, params={**spec.params, "tested": {"with": [prompt.pair_id, prompt.group, others]}})
        return result_key(self._info, spec, prompt, CODE_VERSION)

    @property
    def _generation(self) -> GenerationParams:
        asked = self._settings
        return GenerationParams(asked.max_tokens, asked.temperature, asked.top_p, asked.seed)

    def _capsule(self) -> dict[str, Any]:
        return {
            "model": self._info.ref.name,
            "backend": self._info.ref.backend,
            **self._backend.describe(),
            "params": {"blackbox": asdict(self._settings)},
            "code_version": CODE_VERSION,
            "notes": list(self._backend.capabilities.notes),
        }

    def certify(self, model: ModelRef, device: str, whole: bool) -> Certificate:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def scorer(self, scorer: str) -> LoadedScorer:
        """Raises NotApplicable: stored texts are scored without the API."""
        raise NotApplicable(CLOSED)

    def score(
        self, scorer: str, texts: Sequence[tuple[str, str | None]], explain: bool = True
    ) -> list[tuple[Finding, ...]]:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def live(self, request: LiveRequest) -> LiveResult:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def explain(self, request: LiveExplainRequest) -> LiveExplanation:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def write_on(self, request: LiveContinueRequest) -> Continuation:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def judge(self, request: JudgeRequest) -> Judgement:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def patch(self, request: PatchRequest) -> PatchResult:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def intervene(self, request: InterventionRequest) -> InterventionResult:
        """Raises NotApplicable."""
        raise NotApplicable(CLOSED)

    def screen(self, texts: Sequence[str], policy: Policy) -> list[Verdict]:
        """See `AnalysisEngine.screen`."""
        return screen(texts, policy)

    def close(self) -> None:
        """Nothing is held."""


def _target(prompt: Prompt, found: Study) -> Target:
    first = found.answer.first or {}
    logprob, bound = _logprob(first, found.target)
    rank = 1 + sum(other > logprob for other in first.values()) if not bound else -1
    foil = _logprob(first, prompt.foil or "")
    return Target(
        -1,
        found.target,
        1,
        "given" if prompt.target else "predicted",
        math.nan if bound else logprob,
        rank,
        foil_text=prompt.foil,
        foil_logprob=math.nan if foil[1] else foil[0],
    )


def _logprob(first: Mapping[str, float], text: str) -> tuple[float, bool]:
    """Of a text's first token; NaN where none was told."""
    return target_logprob(first, target_token([first], text)) if first and text else (math.nan, True)


def _trace(text: str, found: Study) -> TokenTrace:
    """Parts as tokens; nothing is known of their probabilities, only of what may follow the last."""
    tokens = units.tokenized(text, found.kind)
    n = len(tokens)
    top = likeliest(found.answer)
    logprobs = np.full((n, len(top)), np.nan, dtype=np.float32)
    logprobs[-1] = [value for _, value in top]
    texts = (*(("",) * len(top) for _ in range(n - 1)), tuple(token for token, _ in top))
    unknown: Float32 = np.full(n, np.nan, dtype=np.float32)
    ids = np.full((n, len(top)), -1, dtype=np.int32)
    return TokenTrace(tokens, unknown, np.full(n, -1, dtype=np.int32), unknown, ids, logprobs, texts, math.nan)


def _attributions(found: Study, target: Target, seconds: float, settings: Settings) -> list[Attribution]:
    """One per measure; completeness holds by construction, and its rounding error is stored."""
    made = []
    for one in found.scores:
        scores = one.importance.score
        made.append(
            Attribution(
                method=f"perturbation_{one.measure}",
                quantity="logprob" if one.measure == "logprob" else f"{one.measure}_similarity",
                target=target.text,
                foil=None,
                scores=scores.astype(np.float32),
                axes=("position",),
                signed=True,
                value=one.full,
                convergence_delta=float(np.nansum(scores) - (one.full - one.nothing)),
                seconds=seconds,
                params=asdict(settings),
            )
        )
    return made
