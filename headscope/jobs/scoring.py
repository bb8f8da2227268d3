"""Scores stored runs after they were made, with a classifier or a probe that reads texts: no model computes again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from headscope.analysis import bounds
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.registry import PROBES, find_scorer
from headscope.analysis.types.findings import Finding
from headscope.jobs.detection import experiment_runs
from headscope.storage.interfaces import FindingSink, RunReader

AT_ONCE = 256
"""Runs in one transaction: what a stop loses at most."""


class Scorer(Protocol):
    """The part of an `AnalysisEngine` that scores texts."""

    def scorer(self, scorer: str) -> str:
        """See `AnalysisEngine.scorer`."""

    def score(self, scorer: str, texts: Sequence[tuple[str, str | None]]) -> list[tuple[Finding, ...]]:
        """See `AnalysisEngine.score`."""


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Score the runs of `experiment` behind the run `after` with `scorer` (one of `registry.scorers()`);
    those it has scored only with `again`."""

    experiment: str
    scorer: str = "minilm"
    again: bool = False
    after: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: how many runs were scored, how many are left behind the run `last`, by whom (its stored
    name)."""

    classifier: str
    scored: int
    left: int
    last: str


@dataclass(frozen=True, slots=True)
class Scored:
    """All steps: runs scored now, and whether all were."""

    classifier: str
    runs: int
    finished: bool


OnScored = Callable[[int, int], None]
"""Runs scored so far, and runs to score in all."""


def step(engine: Scorer, store: RunReader, sink: FindingSink, request: ScoreRequest) -> Step:
    """Score the next runs and store what was said of them. Raises UnknownNameError, BackendError without the
    classifier, StorageError."""
    find_scorer(request.scorer)
    probe = request.scorer if request.scorer in PROBES else ""
    if not request.after:  # once: the overview counts the whole store
        names = [row.name for row in store.overview().experiments]
        if request.experiment not in names:
            raise UnknownNameError("experiment", request.experiment, names)
    name = engine.scorer(request.scorer)
    where = experiment_runs(request.experiment)
    rows, left = store.texts_to_score(where, "" if request.again else name, request.after, AT_ONCE, probe=probe)
    if not rows:
        return Step(name, 0, 0, request.after)
    scores = engine.score(request.scorer, [(row.prompt, row.continuation) for row in rows])
    sink.save_scores(name, {row.run_id: found for row, found in zip(rows, scores, strict=True)}, probe=probe)
    return Step(name, len(rows), left - len(rows), rows[-1].run_id)


def score(
    one: Callable[[ScoreRequest], Step], request: ScoreRequest, on_scored: OnScored, should_stop: Callable[[], bool]
) -> Scored:
    """Step by step, here (`step`) or at a server, until nothing is left or it is to stop."""
    done = 0
    while True:
        found = one(request)
        done += found.scored
        on_scored(done, done + found.left)
        if not found.left or should_stop():
            return Scored(found.classifier, done, not found.left)
        request = replace(request, after=found.last)


def request_of(body: Mapping[str, Any]) -> ScoreRequest:
    """From a JSON body. Raises InputError for a value of the wrong type."""
    texts = {name: bounds.text(name, body.get(name, usual))
             for name, usual in (("experiment", ""), ("scorer", "minilm"), ("after", ""))}  # fmt: skip
    return ScoreRequest(**texts, again=bounds.yes_or_no("again", body.get("again", False)))
