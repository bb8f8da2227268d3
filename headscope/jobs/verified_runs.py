"""Computes stored runs again, past the cache, and compares them (`headscope.jobs.verification`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.engines.base import AnalysisEngine
from headscope.analysis.errors import HeadscopeError, StorageError
from headscope.analysis.registry import BACKENDS
from headscope.analysis.types import Prompt, RunSpec
from headscope.jobs.verification import Difference, compare, request_of
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunDetail

AT_ONCE = 64
"""Runs held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One run. reason: why it could not be computed again, then there are no differences. caution: what makes another
    number expected."""

    detail: RunDetail
    differences: tuple[Difference, ...]
    reason: str = ""
    caution: str = ""


def verify(engine: AnalysisEngine, store: RunReader, run_ids: Sequence[str]) -> Iterator[Verified]:
    """Every run in order, but for those of one request, which are computed in batches of the size they had."""
    for start in range(0, len(run_ids), AT_ONCE):
        requests: dict[str, tuple[RunSpec, list[tuple[RunDetail, Prompt]]]] = {}
        for detail in map(store.run, run_ids[start : start + AT_ONCE]):
            if reason := _impossible(detail):
                yield Verified(detail, (), reason)
                continue
            spec, prompt = request_of(detail, str(detail.capsule.get("model") or detail.row.model))
            key = f"{detail.model.ref.weights_sha256}{detail.row.model_id}{spec.spec_hash}"
            requests.setdefault(key, (spec, []))[1].append((detail, prompt))
        for spec, members in requests.values():
            yield from _request(engine, store, spec, members)


def _impossible(detail: RunDetail) -> str:
    backend = BACKENDS.get(detail.model.ref.backend)
    if backend is None or backend.remote:
        return (
            f"it was asked of an API ({detail.capsule.get('api', detail.model.ref.backend)}), which answers as it likes"
        )
    if detail.row.error_kind in {"out_of_memory", "unexpected", "model"}:
        return f"it failed for a reason of that machine and moment ({detail.row.error_kind})"
    return ""


def _request(
    engine: AnalysisEngine, store: RunReader, spec: RunSpec, members: list[tuple[RunDetail, Prompt]]
) -> Iterator[Verified]:
    try:
        spec, batches = _prepared(engine, spec, members)
    except HeadscopeError as error:
        reason = " ".join(str(error).split())
        yield from (Verified(detail, (), reason) for detail, _ in members)
        return
    for batch in batches:
        results = engine.run_batch(spec, [members[i][1] for i in batch])
        for i, result in zip(batch, results, strict=True):
            detail = members[i][0]
            yield _verified(store, detail, compare(detail, result, partial(store.attention, detail.row.id)))


def _verified(store: RunReader, detail: RunDetail, found: list[Difference]) -> Verified:
    before = detail.capsule.get("code_version")
    caution = "" if before == CODE_VERSION else f"it was computed by code version {before}, this is {CODE_VERSION}"
    return Verified(detail, tuple(found), "", caution)


def _prepared(
    engine: AnalysisEngine, spec: RunSpec, members: list[tuple[RunDetail, Prompt]]
) -> tuple[RunSpec, tuple[tuple[int, ...], ...]]:
    """The request with the model these runs were computed with: as it was asked for then, or from its folder.

    Raises HeadscopeError when neither place has those weights.
    """
    model = members[0][0].model
    size = max(int(detail.capsule.get("batch_size", 1)) for detail, _ in members)
    prompts = tuple(prompt for _, prompt in members)
    problem: HeadscopeError | None = None
    for name in dict.fromkeys([spec.model.name, model.path]):
        asked = replace(spec, model=replace(spec.model, name=name), prompts=prompts)
        try:
            prepared = engine.prepare(asked, size)
        except HeadscopeError as error:
            problem = problem or error
            continue
        found = prepared.info
        if (found.ref.weights_sha256, found.tokenizer_sha256) == (model.ref.weights_sha256, model.tokenizer_sha256):
            return replace(asked, prompts=()), prepared.batches
        problem = problem or HeadscopeError(f"the weights or the tokenizer of {name} are not those of the run")
    raise problem or StorageError("the store does not say which model it was")
