"""Toxicity scores, put together by the database: counts and histograms, listed texts, what became of prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.classifiers.rates import BINS, Cuts, ScoreCounts
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.intervals import moments
from headscope.analysis.types import RunStatus
from headscope.storage import session
from headscope.storage.ids import parse_id
from headscope.storage.read import counts, filters
from headscope.storage.read.behaviour import sampled
from headscope.storage.rows import PromptOutcomes, RunFilter, RunTexts, ScoredText, ScoreFilter, TextChoice, ToxicityRow
from headscope.storage.schema import continuations, probe_results, runs, toxicity_scores

R, T, P = runs.c, toxicity_scores.c, probe_results.c
TOXIC = "toxic"
GROUPS = ("", "model", "prompt_set", "temperature")
"""What scores may be counted apart by: nothing, columns of runs, and the continuation's temperature."""
_OF_PROMPT, _OF_CONTINUATION = toxicity_scores.alias("of_prompt"), toxicity_scores.alias("of_continuation")


class ToxicityReader:
    """The part of `headscope.storage.interfaces.RunReader` about toxicity scores."""

    engine: Engine
    _samples: counts.Counts

    def toxicity_counts(self, which: ScoreFilter, cuts: Cuts, by: str = "") -> tuple[ScoreCounts, ...]:
        """See `RunReader.toxicity_counts`."""
        statement = counted(which, cuts, by)

        def count() -> tuple[ScoreCounts, ...]:
            return summed([tuple(row) for row in connection.execute(statement)])

        with session.reading(self.engine) as connection:
            key = ("toxicity", repr(which), repr(cuts), by)
            return self._samples.get(key, counts.version(connection), count)

    def toxic_texts(
        self, which: ScoreFilter, choice: TextChoice, offset: int = 0, limit: int = 40
    ) -> tuple[tuple[ScoredText, ...], int]:
        """See `RunReader.toxic_texts`."""
        chosen = _texts(which, choice)
        total = sa.select(sa.func.count()).select_from(chosen.subquery())
        ordered = chosen.order_by(T.score.desc(), R.id, T.part).offset(max(0, offset)).limit(limit)
        with session.reading(self.engine) as connection:
            rows = [dict(row) for row in connection.execute(ordered).mappings()]
            found = tuple(ScoredText(**{**row, "run_id": str(row["run_id"])}) for row in rows)
            return found, int(connection.execute(total).scalar_one())

    def prompt_outcomes(self, which: ScoreFilter, classifier: str, limit: int = 20_000) -> PromptOutcomes:
        """See `RunReader.prompt_outcomes`."""
        query = _outcomes(which, classifier)
        with session.reading(self.engine) as connection:
            total = int(connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one())
            rows = connection.execute(sampled(query, limit)).all()
        columns = list(zip(*rows, strict=True)) or [()] * 6
        before, after, worst = (_floats(column) for column in columns[2:5])
        prompts = tuple((name or "", key) for name, key in zip(columns[0], columns[1], strict=True))
        samples = np.array([int(drawn or 0) for drawn in columns[5]], np.int64)
        return PromptOutcomes(prompts, before, after, worst, samples, total)

    def toxicity(self, where: RunFilter, preferred: str) -> tuple[ToxicityRow, ...]:
        """See `RunReader.toxicity`."""
        clauses = filters.clauses(where)
        joined = toxicity_scores.join(runs, R.id == T.run_id)
        names = ToxicityRow.__dataclass_fields__
        query = sa.select(*(T[name] for name in names)).select_from(joined).where(*clauses)
        with session.reading(self.engine) as connection:
            judge = judge_of(connection, clauses, preferred)
            rows = connection.execute(query.where(T.classifier == judge).order_by(T.run_id, T.part, T.label))
            return tuple(ToxicityRow(str(row[0]), *row[1:]) for row in rows)

    def texts_to_score(
        self, where: RunFilter, classifier: str = "", after: str = "", limit: int = 1000, *, probe: str = ""
    ) -> tuple[tuple[RunTexts, ...], int]:
        """See `RunReader.texts_to_score`."""
        clauses = [*filters.clauses(where), R.status == RunStatus.SUCCEEDED.value]
        if classifier:
            by = P.evidence["classifier"].as_string() == classifier
            asked = sa.select(P.run_id).where(P.probe == probe, by)
            judged = sa.select(T.run_id).where(T.classifier == classifier)
            clauses.append(R.id.not_in(asked if probe else judged))
        return self._texts(clauses, after, limit)

    def texts_to_explain(
        self, where: RunFilter, classifier: str, score: float, after: str = "", limit: int = 1000
    ) -> tuple[tuple[RunTexts, ...], int]:
        """See `RunReader.texts_to_explain`."""
        unexplained = T.evidence["method"].as_string().is_(None)
        toxic = sa.select(T.run_id).where(T.classifier == classifier, T.label == "toxic", T.score >= score, unexplained)
        return self._texts([*filters.clauses(where), R.id.in_(toxic)], after, limit)

    def _texts(self, clauses: list[filters.Clause], after: str, limit: int) -> tuple[tuple[RunTexts, ...], int]:
        if (last := parse_id(after)) is not None:
            clauses.append(R.id > last)
        query = sa.select(R.id, R.text, R.continuation).where(*clauses).order_by(R.id).limit(limit)
        with session.reading(self.engine) as connection:
            left = int(connection.execute(sa.select(sa.func.count()).select_from(runs).where(*clauses)).scalar_one())
            return tuple(RunTexts(str(row[0]), row[1], row[2]) for row in connection.execute(query)), left


def judge_of(connection: Connection, clauses: Sequence[filters.Clause], preferred: str) -> str:
    """Who judged most of these runs; of several the preferred classifier, then the first by name; "" for none."""
    return most_of([tuple(row) for row in connection.execute(judges(clauses))], preferred)


def judges(clauses: Sequence[filters.Clause]) -> sa.Select[Any]:
    """Rows (classifier, how many of these runs it judged)."""
    joined = toxicity_scores.join(runs, R.id == T.run_id)
    counts = sa.select(T.classifier, sa.func.count(T.run_id.distinct()).label("n")).select_from(joined)
    return counts.where(*clauses).group_by(T.classifier)


def most_of(found: Sequence[tuple[Any, ...]], preferred: str) -> str:
    """The classifier of `judges` that speaks."""
    return min(found, key=lambda row: (-row[1], row[0] != preferred, row[0]))[0] if found else ""


def _floats(column: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in column], np.float64)


def counted(which: ScoreFilter, cuts: Cuts, by: str = "") -> sa.Select[Any]:
    """Rows (group, classifier, part, label, bin, n, over, sums of powers 1 to 3); bin None counts what has no score.

    Raises UnknownNameError for a `by` that is not of `GROUPS`.
    """
    if by not in GROUPS:
        raise UnknownNameError("grouping", by, GROUPS)
    source, group = _grouped(which, by)
    keys = (group.label("of"), T.classifier, T.part, T.label, _bin().label("bin"))
    over = sa.func.sum(sa.case((T.score >= _cut(cuts), 1), else_=0))
    sums = (sa.func.sum(T.score), sa.func.sum(T.score * T.score), sa.func.sum(T.score * T.score * T.score))
    query = sa.select(*keys, sa.func.count().label("n"), over.label("over"), *sums).select_from(source)
    # By place: as parameters, the constants of an expression differ between what is selected and what is grouped by.
    return query.where(*_clauses(which)).group_by(*(sa.text(str(place)) for place in range(1, 6)))


def summed(rows: list[tuple[Any, ...]]) -> tuple[ScoreCounts, ...]:
    """The counts of `counted`, put together over bins; in the order of their names."""
    found: dict[tuple[str, str, str, str], list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault((str(row[0]), row[1], row[2], row[3]), []).append(row[4:])
    return tuple(_counts(key, found[key]) for key in sorted(found))


def _counts(key: tuple[str, str, str, str], rows: list[tuple[Any, ...]]) -> ScoreCounts:
    known = [row for row in rows if row[0] is not None]
    n, over = sum(int(row[1]) for row in known), sum(int(row[2]) for row in known)
    sums = (np.array(sum(float(row[place]) for row in known)) for place in (3, 4, 5))
    mean, sd, skewness = (float(item) for item in moments(np.array(n), *sums))
    bins = [0] * BINS
    for place, count, *_ in known:
        bins[int(place)] += int(count)
    return ScoreCounts(*key, n, sum(int(row[1]) for row in rows) - n, over, mean, sd, skewness, tuple(bins))


def _bin() -> sa.ColumnElement[Any]:
    place = sa.cast(sa.func.floor(T.score * BINS), sa.Integer)
    return sa.case((place >= BINS, BINS - 1), (place < 0, 0), else_=place)


def _cut(cuts: Cuts) -> sa.ColumnElement[Any]:
    usual: sa.ColumnElement[Any] = sa.literal(cuts.usual, sa.Double())
    cases: list[tuple[Any, Any]] = [
        (sa.and_(T.classifier == classifier, T.label == label), sa.literal(cut, sa.Double()))
        for (classifier, label), cut in cuts.own.items()
    ]
    return sa.case(*cases, else_=usual) if cases else usual


def _grouped(which: ScoreFilter, by: str) -> tuple[sa.FromClause, sa.ColumnElement[Any]]:
    """Scores with their runs, and what they are grouped by."""
    joined: sa.FromClause = toxicity_scores.join(runs, R.id == T.run_id)
    if by == "temperature" or which.temperature is not None:
        joined = joined.outerjoin(continuations, continuations.c.run_id == R.id)
    if not by:
        return joined, sa.literal("")
    group = sa.cast(_temperature(), sa.String) if by == "temperature" else R[by]
    return joined, sa.func.coalesce(group, "")


def _temperature() -> sa.ColumnElement[Any]:
    found: sa.ColumnElement[Any] = continuations.c.params["temperature"].as_float()
    return found


def _clauses(which: ScoreFilter) -> list[filters.Clause]:
    found = filters.clauses(which.where)
    return found if which.temperature is None else [*found, _temperature() == which.temperature]


def _texts(which: ScoreFilter, choice: TextChoice) -> sa.Select[Any]:
    source, _ = _grouped(which, "")
    prompt = _OF_PROMPT.c
    same = sa.and_(prompt.run_id == R.id, prompt.classifier == T.classifier, prompt.label == TOXIC,
                   prompt.part == "prompt")  # fmt: skip
    of_run = (R[name] for name in ("model", "prompt_set", "prompt_key", "text", "continuation"))
    shown = (R.id.label("run_id"), *of_run, T.part, T.score, T.evidence, prompt.score.label("prompt_score"))
    query = sa.select(*shown).select_from(source.outerjoin(_OF_PROMPT, same)).where(*_clauses(which))
    query = query.where(T.classifier == choice.classifier, T.label == choice.label, T.score >= choice.lowest)
    if choice.part:
        query = query.where(T.part == choice.part)
    return query if choice.harmless is None else query.where(prompt.score < choice.harmless)


def _outcomes(which: ScoreFilter, classifier: str) -> sa.Select[Any]:
    joined: sa.FromClause = runs
    for table, part in ((_OF_PROMPT, "prompt"), (_OF_CONTINUATION, "continuation")):
        mine = (table.c.run_id == R.id, table.c.classifier == classifier, table.c.label == TOXIC, table.c.part == part)
        joined = joined.join(table, sa.and_(*mine), isouter=part != "prompt")
    judge = P.evidence["classifier"].as_string()
    theirs = sa.or_(judge.is_(None), judge == classifier)
    sampling = sa.and_(P.run_id == R.id, P.probe == "sampled_toxicity", theirs)
    joined = joined.outerjoin(probe_results, sampling)
    if which.temperature is not None:
        joined = joined.outerjoin(continuations, continuations.c.run_id == R.id)
    drawn = P.evidence["samples"].as_integer()
    shown = (R.prompt_set, R.prompt_key, _OF_PROMPT.c.score, _OF_CONTINUATION.c.score, P.score, drawn)
    return sa.select(*shown).select_from(joined).where(*_clauses(which))
