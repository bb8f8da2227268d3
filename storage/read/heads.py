"""Reading what was measured of heads: sums that the writer keeps, and one head run by run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.types import HEAD_STATS
from headscope.storage import session
from headscope.storage.columns import head_sums as columns
from headscope.storage.columns.head_sums import HeadSums, Measured
from headscope.storage.read import counts, filters
from headscope.storage.read.behaviour import sampled
from headscope.storage.rows import HeadMeans, HeadRuns, RunFilter
from headscope.storage.schema import (
    attribution_heads,
    attributions,
    experiments,
    head_summaries,
    head_sums,
    models,
    prompt_sets,
    runs,
)
from headscope.storage.sql.expressions import HasElement

R, A, H, P = runs.c, attributions.c, head_summaries.c, attribution_heads.c
Key = tuple[str, str, str]


class HeadReader:
    """The part of `headscope.storage.interfaces.RunReader` about heads."""

    engine: Engine
    _samples: counts.Counts

    def head_stats(self, experiment: str, model: str = "", prompt_set: str = "") -> tuple[HeadMeans, ...]:
        """See `RunReader.head_stats`."""
        joined = head_sums.join(experiments, experiments.c.id == head_sums.c.experiment_id)
        joined = joined.join(models, models.c.id == head_sums.c.model_id)
        joined = joined.outerjoin(prompt_sets, prompt_sets.c.id == head_sums.c.prompt_set_id)
        name = models.c.name.label("model")
        query = sa.select(head_sums, name).select_from(joined).where(experiments.c.name == experiment)
        if model:
            query = query.where(models.c.name == model)
        if prompt_set:
            query = query.where(prompt_sets.c.name == prompt_set)
        asked = ("heads", experiment, model, prompt_set)
        with session.reading(self.engine) as connection:
            return self._samples.get(asked, counts.version(connection), lambda: _stats(connection, query))

    def head_runs(self, where: RunFilter, layer: int, head: int, limit: int = 2_000) -> HeadRuns:
        """See `RunReader.head_runs`."""
        measured = sa.or_(*(sa.exists().where(table.c.run_id == R.id) for table in (head_summaries, attributions)))
        clauses = [*filters.clauses(where), measured]
        key = ("head runs", repr(where), layer, head, limit)
        with session.reading(self.engine) as connection:
            version = counts.version(connection)
            return self._samples.get(key, version, lambda: _runs(connection, clauses, (layer, head), limit))


def _stats(connection: Connection, query: sa.Select[Any]) -> tuple[HeadMeans, ...]:
    rows = connection.execute(query).mappings().all()
    parts = [((row["model"], key), sums) for row in rows for key, sums in (columns.read_row(row),)]
    found = columns.merged(parts)
    return tuple(_means(model, key, found[model, key]) for model, key in sorted(found))


def _runs(connection: Connection, clauses: Sequence[Any], cell: tuple[int, int], limit: int) -> HeadRuns:
    total = int(connection.execute(sa.select(sa.func.count()).select_from(runs).where(*clauses)).scalar_one())
    query = sampled(sa.select(R.id, R.text, _pair()).where(*clauses), limit)
    rows = sorted(connection.execute(query).all(), key=lambda row: str(row[0]))
    place = {row[0]: index for index, row in enumerate(rows)}
    values: dict[Key, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for run_id, key, value in _elements(connection, [R.id.in_(list(place))], *cell):
        if value is not None:
            values.setdefault(key, np.full(len(rows), np.nan))[place[run_id]] = np.float32(value)  # as stored
    texts, pairs = (tuple(str(row[i]) for row in rows) for i in (1, 2))
    return HeadRuns(tuple(str(row[0]) for row in rows), texts, pairs, values, total)


def _means(model: str, key: Measured, sums: HeadSums) -> HeadMeans:
    shape, n = (key.n_layers, key.n_heads), sums.counts
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, size = sums.totals / n, sums.sizes / n
        spread = np.maximum(sums.squares - sums.totals * mean, 0) / np.where(n > 1, n - 1, np.nan)
    least, largest = (item.astype(np.float64) for item in (sums.lows, sums.highs))
    mean, size, sd, least, largest = (item.reshape(shape) for item in (mean, size, np.sqrt(spread), least, largest))
    return HeadMeans(model, key.statistic, key.quantity, key.params, n.reshape(shape), mean, size, sd, least, largest)


def _pair() -> sa.ColumnElement[str]:
    """What is drawn as one: a prompt of a set, both sides of a pair."""
    side = sa.func.coalesce(sa.literal("pair ") + R.pair_id, sa.literal("key ") + R.prompt_key)
    return sa.func.coalesce(R.prompt_set, "") + sa.literal("\n") + side


def _elements(
    connection: Connection, clauses: Sequence[Any], layer: int, head: int
) -> Iterator[tuple[Any, Key, float | None]]:
    """Run, what was measured, and this head's value: one element of each array, which the database picks."""
    yield from _attention(connection, clauses, layer, head)
    yield from _scores(connection, clauses, layer, head)
    at = layer * P.n_heads + head + 1
    query = sa.select(R.id, P.method, A.quantity, A.params, P.scores[at]).select_from(
        attribution_heads.join(runs, R.id == P.run_id).join(
            attributions, sa.and_(A.run_id == P.run_id, A.ordinal == P.ordinal)
        )
    )
    for run_id, method, quantity, params, value in connection.execute(
        query.where(*clauses, layer < P.n_layers, head < P.n_heads)
    ):
        yield run_id, (method, quantity, columns.written(params)), value


def _attention(
    connection: Connection, clauses: Sequence[Any], layer: int, head: int
) -> Iterator[tuple[Any, Key, float | None]]:
    at = layer * H.n_heads + head + 1
    query = sa.select(R.id, *(H[name][at].label(name) for name in HEAD_STATS))
    query = query.join_from(head_summaries, runs, R.id == H.run_id)
    for run_id, *numbers in connection.execute(query.where(*clauses, layer < H.n_layers, head < H.n_heads)):
        for name, value in zip(HEAD_STATS, numbers, strict=True):
            yield run_id, (name, "", ""), value


def _scores(
    connection: Connection, clauses: Sequence[Any], layer: int, head: int
) -> Iterator[tuple[Any, Key, float | None]]:
    """Axes as in `columns.scores`: the last two are layer and head (or component)."""
    over_heads = sa.and_(HasElement(A.axes, "layer"), sa.not_(HasElement(A.axes, "position")), A.error.is_(None))
    names = ("method", "quantity", "params", "axes", "shape", "scores", "error", "outcome")
    query = sa.select(R.id, *(A[name] for name in names)).join_from(attributions, runs, R.id == A.run_id)
    for row in connection.execute(query.where(*clauses, over_heads)).mappings():
        for key, values in columns.scores(row):
            if layer < key.n_layers and head < key.n_heads:
                yield row["id"], (key.statistic, key.quantity, key.params), values[layer * key.n_heads + head]
