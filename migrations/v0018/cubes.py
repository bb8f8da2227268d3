"""The table and view of version 0018 and what an older store's runs have for it, frozen. Runs are read as version 0015
reads them for its sums."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

from headscope.migrations.v0001.tables import column
from headscope.migrations.v0001.views import DuckDB, PostgreSQL
from headscope.migrations.v0015 import sums as before
from headscope.migrations.v0015 import tables as tables_before

TABLE, VIEW = "head_sums", "v_head_stats"
COLUMNS = (
    "id uuid!, experiment_id uuid, model_id uuid, prompt_set_id uuid?, statistic text, quantity text, params text, "
    "n_layers integer, n_heads integer, counts integer[], totals double[], squares double[], cubes double[], "
    "sizes double[], lows real[], highs real[]"
)
KEYS = "experiment_id, model_id, prompt_set_id, statistic, quantity, params, n_heads"
NUMBERS = ("counts", "totals", "squares", "cubes", "sizes", "lows", "highs")
JOIN = (np.add,) * 5 + (np.fmin, np.fmax)


def add() -> None:
    """The sums are made anew: those that were there have no cubes."""
    tables_before.drop()
    op.create_table(TABLE, *(column(text) for text in COLUMNS.split(", ")))
    op.execute(f"CREATE VIEW {VIEW} AS {definition(op.get_bind().dialect.name)}")
    _fill()


def take_away() -> None:
    """Undo `add`."""
    op.execute(f"DROP VIEW {VIEW}")
    op.drop_table(TABLE)
    tables_before.create()
    before.fill()


def _fill() -> None:
    connection = op.get_bind()
    found: dict[before.Key, list[np.ndarray[Any, Any]]] = {}
    for query, take in zip(before.READ, (before.attention_of, before.scores_of, before.relevance_of), strict=True):
        for rows in before.batches(connection, query):
            values: dict[before.Key, list[Any]] = {}
            for row in rows:
                scope = (row["experiment_id"], row["model_id"], row["prompt_set_id"])
                for key, mine in take(row):
                    if len(mine) == key[-2] * key[-1]:
                        values.setdefault(scope + key, []).append(mine)
            for key, mine in values.items():
                found[key] = _added(found.get(key), mine)
    table = sa.table(TABLE, *(column(text) for text in COLUMNS.split(", ")))
    names = [item.name for item in table.columns][1:9]
    for key, sums in found.items():
        arrays = {name: array.tolist() for name, array in zip(NUMBERS, sums, strict=True)}
        row = {"id": uuid.uuid4(), **dict(zip(names, key, strict=True)), **arrays}
        connection.execute(sa.insert(table).values(row))


def _added(so_far: list[np.ndarray[Any, Any]] | None, values: list[Any]) -> list[np.ndarray[Any, Any]]:
    stacked = np.asarray(values, dtype=np.float32)
    known = np.isfinite(stacked)
    exact = np.where(known, stacked, 0).astype(np.float64)
    held = np.where(known, stacked, np.float32(np.nan))
    mine = [known.sum(0), exact.sum(0), (exact**2).sum(0), (exact**2 * exact).sum(0), np.abs(exact).sum(0),
            np.fmin.reduce(held, axis=0), np.fmax.reduce(held, axis=0)]  # fmt: skip
    if so_far is None:
        return mine
    return [join(one, other) for join, one, other in zip(JOIN, so_far, mine, strict=True)]


def definition(dialect: str) -> str:
    """As in version 0015, with the skewness m3 / m2^1.5: NULL where rounding would be too much of it."""
    sql = PostgreSQL() if dialect == "postgresql" else DuckDB()
    keys = ", ".join(f"h.{name}" for name in KEYS.split(", "))
    parts = sql.unnest(keys, {name: f"h.{name}" for name in NUMBERS}, f"{TABLE} h")
    low, high = (f"NULLIF({name}, CAST('NaN' AS REAL))" for name in ("lows", "highs"))
    added = (
        f"SELECT {KEYS}, i, CAST(sum(counts) AS BIGINT) AS n, sum(totals) AS total, sum(squares) AS square, "
        f"sum(cubes) AS cube, sum(sizes) AS size, min({low}) AS low, max({high}) AS high "
        f"FROM ({parts}) x GROUP BY {KEYS}, i"
    )
    count = "NULLIF(s.n, 0)"
    mean, square = f"s.total / {count}", f"s.square / {count}"
    variance = f"({square} - ({mean}) * ({mean}))"
    third = f"(s.cube / {count} - 3 * ({mean}) * ({square}) + 2 * ({mean}) * ({mean}) * ({mean}))"
    return (
        "SELECT s.experiment_id, e.name AS experiment, s.model_id, m.name AS model, s.prompt_set_id, "
        "p.name AS prompt_set, s.statistic, NULLIF(s.quantity, '') AS quantity, NULLIF(s.params, '') AS params, "
        f"s.i {sql.divide} s.n_heads AS layer, s.i % s.n_heads AS head, s.n, {mean} AS mean, "
        f"s.size / {count} AS mean_size, "
        "CASE WHEN s.n > 1 THEN sqrt(GREATEST(s.square - s.total * s.total / s.n, 0) / (s.n - 1)) END AS sd, "
        f"CASE WHEN {variance} > 1e-8 * {square} THEN {third} / power({variance}, 1.5) END AS skewness, "
        f"s.low AS least, s.high AS largest FROM ({added}) s JOIN experiments e ON e.id = s.experiment_id "
        "JOIN models m ON m.id = s.model_id LEFT JOIN prompt_sets p ON p.id = s.prompt_set_id"
    )
