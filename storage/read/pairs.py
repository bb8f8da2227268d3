"""Reading counterfactual pairs: only the columns that a comparison of groups needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.counterfactual import Members
from headscope.analysis.types import RunStatus
from headscope.storage import session
from headscope.storage.read import counts, filters
from headscope.storage.read.behaviour import numbers, whole_pairs
from headscope.storage.read.runs import whole_rows
from headscope.storage.read.toxicity import TOXIC, judge_of
from headscope.storage.rows import PAIR_MEASURES, TONES, PairRuns, RunFilter, RunRow
from headscope.storage.schema import probe_results, runs, toxicity_scores
from headscope.storage.sql.columns import read_columns

R, T, P = runs.c, toxicity_scores.c, probe_results.c
APART = "\x1f"
"""Between tags: a list of texts for each row takes longer to read than all else."""
SHOWN: tuple[sa.ColumnElement[Any], ...] = (
    sa.cast(R.id, sa.String).label("run_id"), R.model, sa.func.coalesce(R.prompt_set, "").label("prompt_set"),
    R.pair_id, R.group_name, sa.func.array_to_string(R.tags, APART).label("tags"), R.text,
)  # fmt: skip

KEY = (R.experiment_id, R.model_id, R.pair_id)
SCANNED, MEMBERS = 200, 5_000
"""Newest paired runs that pairs are sought among, and runs that may belong to those."""


class PairReader:
    """The part of `headscope.storage.interfaces.RunReader` about counterfactual pairs."""

    engine: Engine
    _samples: counts.Counts

    def pair_runs(self, where: RunFilter, measure: str, preferred: str = "", limit: int = 100_000) -> PairRuns:
        """See `RunReader.pair_runs`."""
        if measure not in PAIR_MEASURES:
            raise UnknownNameError("measure", measure, PAIR_MEASURES)
        with session.reading(self.engine) as connection:
            key = ("pairs", repr(where), measure, preferred, limit)
            version = counts.version(connection)
            return self._samples.get(key, version, lambda: _read(connection, where, measure, preferred, limit))

    def newest_pairs(self, limit: int = 12) -> tuple[tuple[RunRow, RunRow], ...]:
        """See `RunReader.newest_pairs`."""
        with session.reading(self.engine) as connection:
            ids = _newest_pairs(connection, limit)
            rows = {row.id: row for row in whole_rows(connection, [id_ for pair in ids for id_ in pair])}
        return tuple((rows[str(older)], rows[str(newer)]) for older, newer in ids)


def paired(where: RunFilter) -> list[filters.Clause]:
    """Succeeded runs of these that have a pair and a group."""
    known = (R.pair_id.isnot(None), R.group_name.isnot(None))
    return [*filters.clauses(where), R.status == RunStatus.SUCCEEDED.value, *known]


def statement(clauses: Sequence[filters.Clause], measure: str, judge: str = "") -> sa.Select[Any]:
    """Rows of `SHOWN` and the measure; the toxicity is that of the classifier `judge`."""
    source: sa.FromClause = runs
    value: sa.ColumnElement[Any] = R.margin
    if measure == "loglik":
        value = -R.mean_surprisal * (R.n_tokens - 1)
    if measure == "toxicity":
        scored = (T.part == "continuation", T.label == TOXIC, T.classifier == judge)
        source, value = runs.join(toxicity_scores, sa.and_(T.run_id == R.id, *scored)), T.score
    if measure in TONES:
        source, value = runs.join(probe_results, sa.and_(P.run_id == R.id, P.probe == measure)), P.score
    return sa.select(*SHOWN, value.label("value")).select_from(source).where(*clauses)


def members_of(columns: Sequence[Sequence[Any]]) -> Members:
    """The columns of `statement`, which may be none at all."""
    run_id, model, prompt_set, pair_id, group, joined, text, value = columns or [()] * (len(SHOWN) + 1)
    known = {tags: tuple(tags.split(APART)) if tags else () for tags in set(joined)}
    return Members(run_id, model, prompt_set, pair_id, group, [known[tags] for tags in joined], text, numbers(value))


def _read(connection: Connection, where: RunFilter, measure: str, preferred: str, limit: int) -> PairRuns:
    clauses = paired(where)
    judge = judge_of(connection, clauses, preferred) if measure == "toxicity" else ""
    query = statement(clauses, measure, judge)
    count = query.with_only_columns(sa.func.count(), maintain_column_froms=True)
    total = int(connection.execute(count).scalar_one())
    if total > limit:
        columns: list[Sequence[Any]] = list(zip(*whole_pairs(connection, query, limit), strict=True))
    else:
        columns = read_columns(connection, query.order_by(R.id))
    return PairRuns(members_of(columns), total, judge)


def _newest_pairs(connection: Connection, limit: int) -> list[tuple[UUID, UUID]]:
    """The partner of a run may lie as far from it as its experiment is long, so it is looked for by its pair."""
    known = (R.pair_id.isnot(None), R.status == RunStatus.SUCCEEDED.value)
    newest = connection.execute(sa.select(*KEY).where(*known).order_by(R.id.desc()).limit(SCANNED)).all()
    keys = dict.fromkeys(map(tuple, newest))
    among = [column.in_(values) for column, values in zip(KEY, map(set, zip(*keys, strict=True)), strict=False)]
    members = sa.select(*KEY, R.id, R.text, R.n_tokens).where(*known, *among).order_by(R.id.desc()).limit(MEMBERS)
    texts: dict[tuple[Any, ...], dict[str, tuple[UUID, int]]] = {key: {} for key in keys}
    for *key, id_, text, length in connection.execute(members) if keys else ():
        if (mine := texts.get(tuple(key))) is not None:
            mine.setdefault(text, (id_, length))
    pairs: dict[tuple[Any, ...], list[tuple[UUID, int]]] = {}
    for (_, model_id, _), of in texts.items():
        if len(of) > 1:
            pairs.setdefault((model_id, frozenset([*of][:2])), [*of.values()][:2])
    ordered = sorted(pairs.values(), key=lambda both: both[0][1] != both[1][1])
    return [(older, newer) for (newer, _), (older, _) in ordered[:limit]]
