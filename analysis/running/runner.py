"""Runs every analysis of a request over a batch of prompts. A bad prompt becomes a failed result; the others finish."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from headscope.analysis.attribution.attention_rows import why_no_pattern
from headscope.analysis.attribution.embedding_path import graph_bytes
from headscope.analysis.attribution.evidence import PARAMS as EVIDENCE_PARAMS
from headscope.analysis.attribution.evidence import attach_receipts
from headscope.analysis.attribution.results import nothing_to_explain
from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.errors import BackendError, HeadscopeError, InputError, UnknownNameError, message
from headscope.analysis.interfaces import Capture, CausalBackend, Method
from headscope.analysis.measurements.trace import token_traces
from headscope.analysis.models import devices
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import MEASUREMENTS, METHODS, PROBES
from headscope.analysis.running.capsule import capsule
from headscope.analysis.running.measuring import COLUMNS, explained, shared_work, without_scores
from headscope.analysis.running.memory import Peak, peak
from headscope.analysis.running.parts import Parts
from headscope.analysis.running.preflight import Preflight, preflight
from headscope.analysis.running.probing import probed, probes_of
from headscope.analysis.types import (
    EXPLAINED,
    QUANTITIES,
    Attribution,
    Params,
    Prompt,
    RunResult,
    RunSpec,
    RunStatus,
    Target,
    TokenizedText,
    against,
    result_key,
)
from headscope.analysis.workspace import Workspace

BATCH_BYTES = 1 << 30
_LONGEST_TO_SHORTEST = 1.5


def plan_batches(backend: CausalBackend, spec: RunSpec, batch_size: int) -> list[list[int]]:
    """Indexes into the prompts of `spec`, each list a batch of at most `batch_size` prompts of similar token length.

    A batch's padded tokens are bounded by the memory a forward and backward pass over it needs. Batches come in the
    order of their first prompt; prompts that cannot be tokenised are in a batch too (they become failed results).
    """
    lengths = [_length(backend, spec, prompt) for prompt in spec.prompts]
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        current = batches[-1] if batches else []
        shortest = lengths[current[0]] if current else 0
        fits = (
            0 < len(current) < batch_size
            and lengths[index] <= max(_LONGEST_TO_SHORTEST * shortest, shortest + 2)
            and (len(current) + 1) * _prompt_bytes(backend, lengths[index]) <= BATCH_BYTES
        )
        if fits:
            current.append(index)
        else:
            batches.append([index])
    return sorted((sorted(batch) for batch in batches), key=lambda batch: batch[0])


def predict(
    backend: CausalBackend, spec: RunSpec, prompts: Sequence[Prompt], batches: Sequence[Sequence[int]]
) -> Preflight:
    """What these batches will need; prompts that cannot be read need nothing."""
    lengths = [_length(backend, spec, prompt) for prompt in prompts]
    needed = [len(batch) * _prompt_bytes(backend, max(lengths[i] for i in batch)) for batch in batches]
    methods = [name for name in METHODS if name in spec.analyses]
    needs = preflight(backend.info, lengths, needed, spec.analyses, methods)
    return replace(needs, warning=backend.capabilities.warning)


def check(spec: RunSpec) -> None:
    """Raises UnknownNameError or InputError for an analysis or parameter that does not exist; needs no model."""
    _methods(spec)
    probes_of(spec)


def run_batch(backend: CausalBackend, spec: RunSpec, prompts: Sequence[Prompt]) -> list[RunResult]:
    """Everything `spec` asks for, for each of `prompts` (not `spec.prompts`), in their order.

    Raises UnknownNameError or InputError for an analysis or parameter that does not exist; anything a prompt does wrong
    is a result with status failed. When a whole batch fails unexpectedly, its prompts are tried one by one.
    """
    started = time.perf_counter()
    methods, probes = _methods(spec), probes_of(spec)
    outcomes: dict[int, _Measured | Exception] = {}
    texts: dict[int, TokenizedText] = {}
    for index, prompt in enumerate(prompts):
        try:
            text = _tokenize(backend, spec, prompt)
            _check_memory(backend, spec, len(text))
            texts[index] = text
        except HeadscopeError as error:
            outcomes[index] = error
    outcomes |= _measure_all(backend, spec, methods, texts, prompts)
    facts, seconds = capsule(backend, spec, len(prompts)), (time.perf_counter() - started) / max(1, len(prompts))
    results = [
        _result(prompt, outcomes[i], result_key(backend.info, spec, prompt, CODE_VERSION), seconds, facts)
        for i, prompt in enumerate(prompts)
    ]
    return probed(backend, probes, results)


@dataclass(frozen=True, slots=True)
class _Measured:
    """The fields of a succeeded RunResult that come from the model."""

    fields: Mapping[str, Any]


def _measure_all(
    backend: CausalBackend,
    spec: RunSpec,
    methods: Mapping[str, tuple[Method, dict[str, Any]]],
    texts: Mapping[int, TokenizedText],
    prompts: Sequence[Prompt],
) -> dict[int, _Measured | Exception]:
    """One outcome per tokenised prompt: together if possible, one by one when that fails."""
    if not texts:
        return {}
    try:
        return _measure(backend, spec, methods, texts, prompts)
    except Exception as error:  # whatever a model or a method raises must not take other prompts with it
        if len(texts) == 1:
            return dict.fromkeys(texts, error)
    outcomes: dict[int, _Measured | Exception] = {}
    for index, text in texts.items():
        outcomes |= _measure_all(backend, spec, methods, {index: text}, prompts)
    return outcomes


def _measure(
    backend: CausalBackend,
    spec: RunSpec,
    methods: Mapping[str, tuple[Method, dict[str, Any]]],
    texts: Mapping[int, TokenizedText],
    prompts: Sequence[Prompt],
) -> dict[int, _Measured | Exception]:
    capture = _capture(backend, spec, methods)
    work = shared_work(backend, list(texts.values()), capture)
    targets, asked, bad = _targets(work, texts, prompts, spec.quantity)
    if bad:  # the graph of the pass holds all prompts: start again with the good ones
        good = {index: text for index, text in texts.items() if index not in bad}
        return {**bad, **(_measure(backend, spec, methods, good, prompts) if good else {})}
    parts = Parts(len(texts))
    columns: dict[str, Sequence[Any] | None] = {"target": targets}
    if spec.explain == "next":  # first: it uses the graph of the shared pass, which is freed with it
        evidence = spec.params.get("receipts", {}) if "receipts" in spec.analyses else None
        columns["attributions"] = [
            found if target.foil_id != target.token_id else nothing_to_explain(found, target)
            for found, target in zip(_attributions(work, asked, methods, evidence, parts), targets, strict=True)
        ]
    columns["trace"] = token_traces(work)
    for field, (analysis, compute) in COLUMNS.items():
        if analysis in spec.analyses:
            columns[field] = parts.attempt(analysis, partial(compute, work, targets))
    if spec.generation.max_new_tokens > 0:
        found = parts.attempt("continuation", lambda: backend.generate(work.texts, spec.generation))
        columns["continuation"] = found
        if spec.explain == "continuation":
            columns["attributions"] = explained(work, found, targets, methods, capture, parts)
    there = {field: column for field, column in columns.items() if column is not None}
    missing = tuple(parts.missing)
    return {
        index: _Measured({**{field: column[row] for field, column in there.items()}, "missing": missing})
        for row, index in enumerate(texts)
    }


def _attributions(
    work: Workspace,
    targets: Sequence[Target],
    methods: Mapping[str, tuple[Method, dict[str, Any]]],
    evidence: Params | None,
    parts: Parts,
) -> list[tuple[Attribution, ...]]:
    """Every method's answers for each prompt, with receipts unless `evidence` (their parameters) is None."""
    found = {name: _measured(work, targets, name, *method) for name, method in methods.items()}
    if evidence is not None and methods:
        found = parts.attempt("receipts", lambda: attach_receipts(work, targets, methods, found, evidence)) or found
    return [tuple(attributions[row] for attributions in found.values()) for row in range(len(targets))]


def _measured(
    work: Workspace, targets: Sequence[Target], name: str, method: Method, params: dict[str, Any]
) -> list[Attribution]:
    """The method's answers with the memory it took for the batch; not measured on another device than the CPU."""
    on_cpu = work.batch.input_ids.device.type == "cpu"
    with peak() if on_cpu else nullcontext(Peak()) as held:
        found = _attribute(work, targets, name, method, params)
    return [replace(one, peak_bytes=held.n_bytes) for one in found]


def _attribute(
    work: Workspace, targets: Sequence[Target], name: str, method: Method, params: dict[str, Any]
) -> list[Attribution]:
    """The method's answers; a failure of one prompt alone is a failed attribution, its other results stay."""
    reason = method.not_applicable(work.backend)
    if reason is None:
        try:
            return method.attribute(work, targets, params)
        except Exception as error:
            if len(targets) > 1:
                raise
            reason = message(error)
    return [without_scores(name, target, reason, params) for target in targets]


def _targets(
    work: Workspace, texts: Mapping[int, TokenizedText], prompts: Sequence[Prompt], quantity: str
) -> tuple[list[Target], list[Target], dict[int, _Measured | Exception]]:
    """Target and foil of each prompt; the same for methods, without a foil that is the target; and what failed."""
    targets: list[Target] = []
    explained: list[Target] = []
    bad: dict[int, _Measured | Exception] = {}
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


def _capture(backend: CausalBackend, spec: RunSpec, methods: Mapping[str, tuple[Method, dict[str, Any]]]) -> Capture:
    """What the shared pass keeps for everything that is asked for."""
    needs = [method.NEEDS for method, _ in methods.values()]
    shown = bool({"heads", "attention"} & set(spec.analyses)) and why_no_pattern(backend) is None
    used = any(need.attention for need in needs) and backend.capabilities.attention
    return Capture(
        attention=shown or used,
        gradients=any(need.gradients for need in needs),
        attention_gradients=backend.capabilities.attention and any(need.attention_gradients for need in needs),
    )


def _methods(spec: RunSpec) -> dict[str, tuple[Method, dict[str, Any]]]:
    """The methods asked for, with their full parameters."""
    check_spec(spec)
    valid = [*MEASUREMENTS, *METHODS, *PROBES]
    for name in (*spec.analyses, *spec.params):
        if name not in valid:
            raise UnknownNameError("analysis", name, valid)
    resolve_params("receipts", EVIDENCE_PARAMS, spec.params.get("receipts", {}))
    loaded = {name: METHODS[name].load()() for name in METHODS if name in spec.analyses}
    return {
        name: (method, resolve_params(name, method.PARAMS, spec.params.get(name, {})))
        for name, method in loaded.items()
    }


def check_spec(spec: RunSpec) -> None:
    """Raises InputError for a quantity that does not exist, or a continuation to explain that nobody asked for."""
    if spec.quantity not in QUANTITIES or spec.explain not in EXPLAINED:
        raise InputError(
            f"attributions explain one of {', '.join(QUANTITIES)} of one of {', '.join(EXPLAINED)}, "
            f"not {spec.quantity!r} of {spec.explain!r}.",
            "params",
        )
    if spec.explain == "continuation" and spec.generation.max_new_tokens < 1:
        raise InputError("to explain the continuation there must be one: say --max-new-tokens.", "params")


def _tokenize(backend: CausalBackend, spec: RunSpec, prompt: Prompt) -> TokenizedText:
    if prompt.invalid is not None:
        raise InputError(prompt.invalid, prompt.invalid_kind)
    return backend.tokenize(prompt.text, chat=spec.chat, start_token=spec.start_token)


def _length(backend: CausalBackend, spec: RunSpec, prompt: Prompt) -> int:
    """Tokens of a prompt, 0 when it cannot be read."""
    try:
        return len(_tokenize(backend, spec, prompt))
    except HeadscopeError:
        return 0


def _prompt_bytes(backend: CausalBackend, length: int) -> int:
    """Memory one prompt of a batch needs in a forward and backward pass with attention (float32, then float16)."""
    info = backend.info
    return graph_bytes(info, length) + 8 * info.n_layers * info.n_heads * length * length


def _check_memory(backend: CausalBackend, spec: RunSpec, length: int) -> None:
    """Refuses a prompt that would end the process: attention of every head grows with the square of the length.

    Raises InputError, kind `out_of_memory`.
    """
    attention = bool({"heads", "attention"} & set(spec.analyses))
    needed = _prompt_bytes(backend, length) if attention else graph_bytes(backend.info, length)
    available = devices.free_bytes(next(backend.model.parameters()).device)
    if needed > available:
        raise InputError(
            f"its {length} tokens need about {needed / 1e9:.1f} GB and {available / 1e9:.1f} GB are free: shorten it"
            + (", or leave out heads and attention, which grow with the square of its length." if attention else "."),
            "out_of_memory",
        )


def _result(
    prompt: Prompt, outcome: _Measured | Exception, key: str, seconds: float, facts: Mapping[str, Any]
) -> RunResult:
    if isinstance(outcome, _Measured):
        return RunResult(prompt, RunStatus.SUCCEEDED, key, seconds, facts, **outcome.fields)
    return RunResult(prompt, RunStatus.FAILED, key, seconds, facts, error=message(outcome), error_kind=_kind(outcome))


def _kind(error: Exception) -> str:
    if isinstance(error, InputError):
        return error.kind
    return "model" if isinstance(error, BackendError) else "unexpected"
