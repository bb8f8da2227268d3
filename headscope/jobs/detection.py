"""Runs the failure detectors over stored runs and keeps what they find."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from headscope.analysis import registry
from headscope.analysis.classifiers.card import card
from headscope.analysis.detectors.case import Case, Detection
from headscope.analysis.types.findings import PASSED
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, Measures, RunFilter
from headscope.storage.sinks import FindingSink, ResultSink

MOST_RUNS = 1_000_000


class Store(RunReader, ResultSink, FindingSink, Protocol):
    """What a job needs of a store: results are written, read again by the detectors, and their findings written."""


def experiment_runs(experiment: str, prompt_set: str = "") -> RunFilter:
    """The runs of an experiment, or of one prompt set in it."""
    chosen = {"experiment": experiment, "prompt_set": prompt_set}
    return RunFilter(tuple(Condition(name, "eq", value) for name, value in chosen.items() if value))


def detect(store: Store, where: RunFilter) -> int:
    """Look at every run of `where` again; what the detectors said of them before is replaced, triage stays.

    Returns the number of failures found (of any severity).
    """
    cases = list(cases_of(store, where))
    found = [item for entry in registry.DETECTORS.values() for item in entry.load()(cases)]
    store.save_detections(where, tuple(registry.DETECTORS), [(item.run_id, item.result) for item in found])
    return sum(failed(item) for item in found)


def failed(item: Detection) -> bool:
    """Whether a detection is a failure."""
    return item.result.label != PASSED


def cases_of(store: RunReader, where: RunFilter) -> Iterator[Case]:
    """Every run of `where` as the detectors see it, succeeded ones and those whose prompt was too long."""
    runs = store.measures(where, MOST_RUNS)
    toxicity: dict[str, dict[tuple[str, str], float]] = {}
    for score in store.toxicity(where, card().classifier):
        toxicity.setdefault(score.run_id, {})[score.part, score.label] = _number(score.score)
    probes: dict[str, dict[str, tuple[float, dict[str, object]]]] = {}
    for row in store.findings(where, tuple(registry.PROBES), limit=MOST_RUNS):
        probes.setdefault(row.run_id, {})[row.probe] = (_number(row.score), dict(row.evidence or {}))
    for index, run_id in enumerate(runs.run_id):
        yield _case(runs, index, probes.get(run_id, {}), toxicity.get(run_id, {}))
    long = RunFilter((*where.conditions, Condition("error_kind", "eq", "too_long")), where.search)
    for failure in store.runs_page(long, limit=MOST_RUNS).rows:
        yield Case(failure.id, failure.text, error_kind=failure.error_kind, error=failure.error)


def _number(score: float | None) -> float:
    return math.nan if score is None else score


def _case(
    runs: Measures,
    i: int,
    probes: dict[str, tuple[float, dict[str, object]]],
    toxicity: dict[tuple[str, str], float],
) -> Case:
    return Case(
        run_id=runs.run_id[i],
        text=runs.text[i],
        target=runs.target[i],
        foil=runs.foil[i],
        pair_id=runs.pair_id[i] and f"{runs.prompt_set[i]}/{runs.model[i]}/{runs.pair_id[i]}",
        group=runs.group[i],
        next_token=runs.next_token[i],
        next_token_prob=float(runs.next_token_prob[i]),
        target_rank=float(runs.target_rank[i]),
        margin=float(runs.margin[i]),
        continuation=runs.continuation[i],
        probes=probes,
        toxicity=toxicity,
    )
