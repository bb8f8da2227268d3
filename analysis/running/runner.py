"""Runs every analysis of a request over a batch of prompts. A bad prompt becomes a failed result; the others finish."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from headscope.analysis.errors import BackendError, HeadscopeError, InputError, message
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.running.asking import Batch, full_params, listening, methods_of, within_budget
from headscope.analysis.running.attributing import attributed, continuations_explained, targets_explained
from headscope.analysis.running.capsule import capsule
from headscope.analysis.running.measuring import Measured, arrays, measurements, value
from headscope.analysis.running.pairs import key_of, partner
from headscope.analysis.running.parts import Parts
from headscope.analysis.running.planning import Plan, check_memory, plan, tokenized
from headscope.analysis.running.probing import probed, probes_of
from headscope.analysis.types import (
    Attribution,
    HeadSummary,
    LayerSummary,
    LensTable,
    OnBeat,
    Params,
    Prompt,
    RunResult,
    RunSpec,
    RunStatus,
    Target,
    TokenizedText,
    TokenTrace,
    against,
)
from headscope.analysis.workspace import Workspace

T = TypeVar("T")


def planned(backend: WhiteBoxBackend, spec: RunSpec, batch_size: int) -> Plan:
    """The batches of a request and what they will need; see `planning.plan`."""
    return plan(backend, spec, batch_size, full_params(spec))


def check(spec: RunSpec) -> None:
    """Raises UnknownNameError or InputError for an analysis or parameter that does not exist; needs no model."""
    methods_of(spec)
    probes_of(spec)


def run_batch(
    backend: WhiteBoxBackend, spec: RunSpec, prompts: Sequence[Prompt], on_beat: OnBeat | None = None
) -> list[RunResult]:
    """Everything `spec` asks for, for each of `prompts` (not `spec.prompts`), in their order. `on_beat` hears how far
    it is.

    Raises UnknownNameError or InputError for an analysis or parameter that does not exist; anything a prompt does wrong
    is a result with status failed. When a whole batch fails unexpectedly, its prompts are tried one by one.
    """
    started = time.perf_counter()
    methods, probes = methods_of(spec), probes_of(spec)
    outcomes = _Outcomes()
    texts: dict[int, TokenizedText] = {}
    for index, prompt in enumerate(prompts):
        try:
            text = tokenized(backend, spec, prompt)
            check_memory(backend, spec, len(text))
            texts[index] = text
        except HeadscopeError as error:
            outcomes.errors[index] = error
    with listening(backend, spec, texts.values(), on_beat) as at:
        whole = Batch(backend, spec, methods, prompts, full_params(spec).get("receipts"), at)
        for batch, same in within_budget(whole, texts):
            _measure_all(batch, same, outcomes)
        facts, seconds = capsule(backend, spec, len(prompts)), (time.perf_counter() - started) / max(1, len(prompts))
        results = [
            _result(prompt, i, outcomes, key_of(backend.info, spec, prompt), seconds, facts)
            for i, prompt in enumerate(prompts)
        ]
        at("probes")
        return probed(backend, probes, results)


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """By the prompt's place in the batch: what was measured, and what went wrong. No prompt is in both."""

    measured: dict[int, Measured] = field(default_factory=dict)
    errors: dict[int, Exception] = field(default_factory=dict)


def _measure_all(batch: Batch, texts: Mapping[int, TokenizedText], outcomes: _Outcomes) -> None:
    """One outcome per tokenised prompt: together if possible, one by one when that fails."""
    if not texts:
        return
    try:
        _measure(batch, texts, outcomes)
    except Exception as error:  # whatever a model or a method raises must not take other prompts with it
        if len(texts) == 1:
            outcomes.errors.update(dict.fromkeys(texts, error))
            return
        for index, text in texts.items():
            _measure_all(batch, {index: text}, outcomes)


def _measure(batch: Batch, texts: Mapping[int, TokenizedText], outcomes: _Outcomes) -> None:
    spec, asked = batch.spec, batch.asked()
    work = _shared_work(batch.backend, list(texts.values()), asked.capture)
    work.partners = tuple(partner(batch.backend, spec, batch.prompts[index]) for index in texts)
    targets, single, bad = _targets(work, texts, batch.prompts, spec.quantity)
    if bad:  # the graph of the pass holds all prompts: start again with the good ones
        outcomes.errors.update(bad)
        _measure_all(batch, {index: text for index, text in texts.items() if index not in bad}, outcomes)
        return
    parts = Parts(len(texts))
    if batch.no_receipts:
        parts.leave_out("receipts", batch.no_receipts)
    explained: Sequence[tuple[Attribution, ...]] = [()] * len(texts)
    if spec.explain == "next":  # first: it uses the graph of the shared pass, which is freed with it
        explained = attributed(work, targets, single, asked, parts)
    if spec.explain == "target":
        explained = targets_explained(work, targets, asked, parts)
    shown = measurements(work, targets, spec, parts)
    continuations = None
    if spec.generation.max_new_tokens > 0:
        batch.at("continuation")
        continuations = parts.attempt("continuation", lambda: batch.backend.generate(work.texts, spec.generation))
        if spec.explain == "continuation":
            explained = continuations_explained(work, continuations, targets, asked, parts)
    for row, index in enumerate(texts):
        outcomes.measured[index] = Measured(
            target=targets[row],
            trace=value(shown, "trace", row, TokenTrace),
            heads=value(shown, "heads", row, HeadSummary),
            layers=value(shown, "layers", row, LayerSummary),
            lens=value(shown, "lens", row, LensTable),
            attention=value(shown, "attention", row, np.ndarray),
            attributions=explained[row],
            continuation=None if continuations is None else continuations[row],
            missing=tuple(parts.missing),
            measured=tuple(arrays(shown, row)),
        )


def _shared_work(backend: WhiteBoxBackend, texts: Sequence[TokenizedText], capture: Capture) -> Workspace:
    """The batch after its shared pass. Where a pass that keeps more than the logits fails, a plain one is made: what
    needed more then fails by itself, and the rest is measured."""
    work = Workspace(backend, texts, capture)
    try:
        work.forward  # noqa: B018 - computes it
    except Exception:
        if len(texts) > 1 or capture == Capture():
            raise
        return Workspace(backend, texts, Capture())
    return work


def _targets(
    work: Workspace, texts: Mapping[int, TokenizedText], prompts: Sequence[Prompt], quantity: str
) -> tuple[list[Target], list[Target], dict[int, Exception]]:
    """Target and foil of each prompt; the same for methods, without a foil that is the target; and what failed."""
    targets: list[Target] = []
    explained: list[Target] = []
    bad: dict[int, Exception] = {}
    for (index, text), logprobs in zip(texts.items(), work.next_logprobs, strict=True):
        prompt, resolve = prompts[index], work.backend.resolve_target
        try:
            target = alone = replace(resolve(text, prompt.target, prompt.foil, logprobs), quantity=quantity)
        except InputError as error:
            if error.kind != "target_equals_foil":
                bad[index] = error
                continue
            alone = replace(resolve(text, prompt.target, None, logprobs), quantity=quantity)
            target = against(alone, resolve(text, prompt.foil, None, logprobs))
        targets.append(target)
        explained.append(alone)
    return targets, explained, bad


def _result(prompt: Prompt, index: int, outcomes: _Outcomes, key: str, seconds: float, facts: Params) -> RunResult:
    if (error := outcomes.errors.get(index)) is not None:
        return RunResult(prompt, RunStatus.FAILED, key, seconds, facts, error=message(error), error_kind=_kind(error))
    found = outcomes.measured[index]
    return RunResult(
        prompt,
        RunStatus.SUCCEEDED,
        key,
        seconds,
        facts,
        target=found.target,
        trace=found.trace,
        heads=found.heads,
        layers=found.layers,
        lens=found.lens,
        attributions=found.attributions,
        attention=found.attention,
        continuation=found.continuation,
        missing=found.missing,
        measured=found.measured,
    )


def _kind(error: Exception) -> str:
    if isinstance(error, InputError):
        return error.kind
    return "model" if isinstance(error, BackendError) else "unexpected"
