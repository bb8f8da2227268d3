"""Runs every analysis of a request over a batch of prompts. A bad prompt becomes a failed result; the others finish."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch

from headscope.analysis.attribution.results import nothing_to_explain
from headscope.analysis.errors import BackendError, HeadscopeError, InputError, message
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.params import applied
from headscope.analysis.running.asking import Batch, full_params, listening, methods_of, within_budget
from headscope.analysis.running.attributing import (
    Answers,
    Asked,
    attributed,
    continuations_explained,
    targets_explained,
    unexplained,
)
from headscope.analysis.running.capsule import capsule
from headscope.analysis.running.changed import changed
from headscope.analysis.running.measuring import Measured, arrays, measurements, value
from headscope.analysis.running.pairs import key_of, partner
from headscope.analysis.running.parts import Parts
from headscope.analysis.running.planning import Plan, check_memory, plan, tokenized
from headscope.analysis.running.probing import probed, probes_of
from headscope.analysis.types import (
    NO_TARGET,
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
            _measure_changed(batch, same, outcomes)
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


def _measure_changed(batch: Batch, texts: Mapping[int, TokenizedText], outcomes: _Outcomes) -> None:
    """With the interventions of the request, if it has any: those of one prompt are not another's, so one by one."""
    codes = batch.spec.interventions
    if not codes:
        _measure_all(batch, texts, outcomes)
    for index, text in texts.items() if codes else ():
        try:
            with changed(batch.backend, codes, text):
                _measure_all(batch, {index: text}, outcomes)
        except HeadscopeError as error:
            outcomes.errors[index] = error


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
    targets, bad = _targets(work, texts, batch.prompts, spec.quantity)
    if bad:  # the graph of the pass holds all prompts: start again with the good ones
        outcomes.errors.update(bad)
        _measure_all(batch, {index: text for index, text in texts.items() if index not in bad}, outcomes)
        return
    empty = {index for index, target in zip(texts, targets, strict=True) if nothing_to_explain(target)}
    if spec.explain == "next" and asked.methods and 0 < len(empty) < len(texts):  # no method is run for those
        for part in (empty, texts.keys() - empty):
            _measure_all(batch, {index: text for index, text in texts.items() if index in part}, outcomes)
        return
    parts = Parts(len(texts))
    if batch.no_receipts:
        parts.leave_out("receipts", batch.no_receipts)
    explained = _explained(spec.explain, work, targets, asked, parts)  # first: frees the graph of the shared pass
    shown = measurements(work, targets, spec, parts)
    continuations = None
    if spec.generation.max_new_tokens > 0:
        batch.at("continuation")
        continuations = parts.attempt("continuation", lambda: batch.backend.generate(work.texts, spec.generation))
        if spec.explain == "continuation":
            explained = continuations_explained(work, continuations, targets, asked, parts)
    for row, index in enumerate(texts):
        outcomes.measured[index] = Measured(
            target=targets[row] if targets[row].token_id >= 0 else None,
            trace=value(shown, "trace", row, TokenTrace),
            heads=value(shown, "heads", row, HeadSummary),
            layers=value(shown, "layers", row, LayerSummary),
            lens=value(shown, "lens", row, LensTable),
            attention=value(shown, "attention", row, np.ndarray),
            attributions=tuple(replace(one, params=applied(one.method, one.params)) for one in explained[row]),
            continuation=None if continuations is None else continuations[row],
            missing=tuple(parts.missing),
            measured=tuple(arrays(shown, row)),
        )


def _explained(what: str, work: Workspace, targets: Sequence[Target], asked: Asked, parts: Parts) -> Answers:
    """Attributions of what follows each prompt; of a continuation, which is not there yet, none."""
    if what == "continuation":
        return [()] * len(targets)
    if work.unpredicted or (what == "next" and nothing_to_explain(targets[0])):
        return unexplained(work, targets, asked.methods)
    return (targets_explained if what == "target" else attributed)(work, targets, asked, parts)


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
) -> tuple[list[Target], dict[int, Exception]]:
    """Target and foil of each prompt, and what failed."""
    targets: list[Target] = []
    bad: dict[int, Exception] = {}
    nothing = len(texts) == 1 and bool(work.unpredicted)  # one of several is tried alone
    rows = torch.full_like(work.next_logits, torch.nan) if nothing else work.next_logprobs
    for (index, text), logprobs in zip(texts.items(), rows, strict=True):
        prompt, resolve = prompts[index], work.backend.resolve_target
        if nothing and prompt.target is None and prompt.foil is None:
            targets.append(replace(NO_TARGET, quantity=quantity))
            continue
        try:
            target = resolve(text, prompt.target, prompt.foil, logprobs)
        except InputError as error:
            if error.kind != "target_equals_foil":
                bad[index] = error
                continue
            alone = resolve(text, prompt.target, None, logprobs)
            target = against(alone, resolve(text, prompt.foil, None, logprobs))
        targets.append(replace(target, quantity=quantity))
    return targets, bad


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
