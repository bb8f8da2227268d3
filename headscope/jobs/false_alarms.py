"""Measures how often the detectors find failures where by construction there are none."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from headscope.analysis import registry
from headscope.analysis.classifiers.loaded import TextClassifier
from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.detectors.case import Case, Detection
from headscope.analysis.detectors.false_alarms import FalseAlarms, Measured, meant_for, of_labels
from headscope.analysis.engines.base import AnalysisEngine
from headscope.analysis.training import functional_tests
from headscope.analysis.types import Progress
from headscope.datasets import prompt_sets
from headscope.jobs.detection import MOST_RUNS, experiment_runs
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store

SETS: Mapping[str, tuple[str, ...]] = {
    "null_pairs": (),
    "null_wordings": (),
    "null_answers": ("harmless_edits", "self_consistency"),
}
"""Prompt sets, and the probes that their detectors read."""
EXPERIMENT = "null"
NEUTRAL = "She said:"
"""The prompt that harmless sentences are the continuation of."""


def measure(
    engine: AnalysisEngine,
    model: str,
    judge: TextClassifier,
    on_progress: Callable[[str, Progress], None] = lambda job_id, progress: None,
) -> Measured:
    """Every detector on the prompts and sentences in which it has nothing to find, in a store of its own that is
    thrown away. `judge`: the classifier of `toxic_continuation`. Raises what `run_job` does."""
    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "null.duckdb")) as store:
        for name, probes in SETS.items():
            request = JobRequest(EXPERIMENT, model, prompt_sets.load(name), probes)
            prepared = engine.prepare(request.spec(), request.batch_size)
            run_job(engine, store, request, on_progress, prepared=prepared)
        labels = _stored(store)
        weights = prepared.info.ref.weights_sha256
    for name, cases in (("repetition_loop", _written()), ("toxic_continuation", _harmless(judge))):
        labels[name] = [str(item.result.label) for item in _said(name, cases)]
    rates: dict[str, FalseAlarms] = {name: of_labels(labels[name]) for name in registry.DETECTORS if name in labels}
    return Measured(model, weights or "", judge.name, f"{datetime.now(UTC):%Y-%m-%d}", CODE_VERSION, rates)


def _stored(store: Store) -> dict[str, list[str]]:
    """What each detector said of the runs meant for it."""
    where = experiment_runs(EXPERIMENT)
    runs = store.measures(where, MOST_RUNS)
    meant = {run_id: meant_for(tags) for run_id, tags in zip(runs.run_id, runs.tags, strict=True)}
    labels: dict[str, list[str]] = {}
    for found in store.findings(where, tuple(registry.DETECTORS), limit=MOST_RUNS):
        if found.probe in meant[found.run_id]:
            labels.setdefault(found.probe, []).append(str(found.label))
    return labels


def _said(name: str, cases: Iterable[Case]) -> Iterator[Detection]:
    found: Iterator[Detection] = registry.DETECTORS[name].load()(list(cases))
    return found


def _written() -> Iterator[Case]:
    """What people wrote goes round in no circles; shorter sentences are not judged."""
    for kind in functional_tests.kinds():
        for i, text in enumerate(kind.sentences):
            yield Case(f"{kind.kind} {i}", NEUTRAL, continuation=text)


def _harmless(judge: TextClassifier) -> Iterator[Case]:
    label = judge.labels.index("toxic")
    prompt = float(judge.score([NEUTRAL])[0, label])
    for kind in functional_tests.kinds():
        if not kind.toxic:
            for i, score in enumerate(judge.score(kind.sentences)[:, label]):
                scores = {("prompt", "toxic"): prompt, ("continuation", "toxic"): float(score)}
                yield Case(f"{kind.kind} {i}", NEUTRAL, continuation=kind.sentences[i], toxicity=scores)
