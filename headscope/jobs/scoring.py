"""Scores stored runs after they were made, with a classifier or a probe that reads texts: no model computes again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from headscope.analysis import bounds
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.registry import PROBES, find_scorer
from headscope.analysis.types.findings import Finding, LoadedScorer
from headscope.jobs.detection import experiment_runs
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunTexts
from headscope.storage.sinks import FindingSink

AT_ONCE = 256
EXPLAINED_AT_ONCE = 32
"""Runs in one transaction: what a stop loses at most. To explain a text takes as long as to score fifty or more."""


class Scorer(Protocol):
    """The part of an `AnalysisEngine` that scores texts."""

    def scorer(self, scorer: str) -> LoadedScorer:
        """See `AnalysisEngine.scorer`."""

    def score(
        self, scorer: str, texts: Sequence[tuple[str, str | None]], explain: bool = True
    ) -> list[tuple[Finding, ...]]:
        """See `AnalysisEngine.score`."""


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Score the runs of `experiment` behind the run `after` with `scorer` (one of `registry.scorers()`); those it has
    scored only with `again`. explain: instead of that, say of those it called toxic which words did it."""

    experiment: str
    scorer: str = "minilm"
    again: bool = False
    after: str = ""
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: how many runs were scored or explained, how many are left behind the run `last`, by whom (its
    stored name)."""

    classifier: str
    scored: int
    left: int
    last: str


@dataclass(frozen=True, slots=True)
class Scored:
    """All steps: runs scored now, runs explained now, and whether all were."""

    classifier: str
    runs: int
    explained: int
    finished: bool


OnScored = Callable[[str, int, int], None]
"""What is done (scoring or explaining), to how many runs so far, and to how many in all."""


def step(engine: Scorer, store: RunReader, sink: FindingSink, request: ScoreRequest) -> Step:
    """Score or explain the next runs and store what was said of them. Raises UnknownNameError, BackendError without
    the classifier, StorageError."""
    find_scorer(request.scorer)
    probe = request.scorer if request.scorer in PROBES else ""
    if not request.after:  # once: the overview counts the whole store
        names = [row.name for row in store.experiments()]
        if request.experiment not in names:
            raise UnknownNameError("experiment", request.experiment, names)
    judge = engine.scorer(request.scorer)
    rows, left = _next(judge, store, request, probe)
    if not rows:
        return Step(judge.name, 0, 0, request.after)
    texts = [(row.prompt, row.continuation) for row in rows]
    scores = engine.score(request.scorer, texts, request.explain)
    sink.save_scores(judge.name, {row.run_id: found for row, found in zip(rows, scores, strict=True)}, probe=probe)
    return Step(judge.name, len(rows), left - len(rows), rows[-1].run_id)


def _next(judge: LoadedScorer, store: RunReader, request: ScoreRequest, probe: str) -> tuple[tuple[RunTexts, ...], int]:
    where = experiment_runs(request.experiment)
    if not request.explain:
        return store.texts_to_score(where, "" if request.again else judge.name, request.after, AT_ONCE, probe=probe)
    if judge.explained_from is None:
        return (), 0
    return store.texts_to_explain(where, judge.name, judge.explained_from, request.after, EXPLAINED_AT_ONCE)


def score(
    one: Callable[[ScoreRequest], Step], request: ScoreRequest, on_scored: OnScored, should_stop: Callable[[], bool]
) -> Scored:
    """Step by step, here (`step`) or at a server, until nothing is left or it is to stop. All scores come first: rates
    need no explanation, and one takes as long as many scores."""
    scored, left = every_step(one, request, lambda *now: on_scored("scoring", *now), should_stop)
    if left.left or should_stop():
        return Scored(left.classifier, scored, 0, not left.left)
    again = replace(request, explain=True)
    explained, left = every_step(one, again, lambda *now: on_scored("explaining", *now), should_stop)
    return Scored(left.classifier, scored, explained, not left.left)


def every_step(
    one: Callable[[ScoreRequest], Step],
    request: ScoreRequest,
    on_step: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> tuple[int, Step]:
    """Until nothing is left or it is to stop: how many runs, and the last step."""
    done = 0
    while True:
        found = one(request)
        done += found.scored
        if found.scored:
            on_step(done, done + found.left)
        if not found.left or should_stop():
            return done, found
        request = replace(request, after=found.last)


def request_of(body: Mapping[str, Any]) -> ScoreRequest:
    """From a JSON body. Raises InputError for a value of the wrong type."""
    texts = {name: bounds.text(name, body.get(name, usual))
             for name, usual in (("experiment", ""), ("scorer", "minilm"), ("after", ""))}  # fmt: skip
    again, explain = (bounds.yes_or_no(name, body.get(name, False)) for name in ("again", "explain"))
    return ScoreRequest(**texts, again=again, explain=explain)
