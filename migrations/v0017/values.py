"""The table of version 0017 and what an older store's runs have for it, frozen. Values are read as version 0015 reads
them for its sums."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

from headscope.migrations.v0001.tables import column
from headscope.migrations.v0015.sums import attention_of, batches, relevance_of, scores_of

TABLE, INDEX = "head_values", "ix_head_values_run"
COLUMNS = (
    "id uuid!, run_id uuid, statistic text, quantity text, params text, n_layers integer, n_heads integer, "
    "scores real[]"
)
DRAWN = "right(CAST({}.run_id AS VARCHAR), 3) < '020'"
"""One run in 128, by the last three digits of its id."""
READ = (
    f"SELECT h.* FROM head_summaries h WHERE {DRAWN.format('h')}",
    "SELECT a.run_id, a.method, a.quantity, a.axes, a.shape, a.scores, CAST(a.params AS VARCHAR) AS params, "
    "CAST(a.outcome AS VARCHAR) AS outcome FROM attributions a WHERE a.error IS NULL AND a.axes[1] <> 'position' AND "
    f"a.axes[2] <> 'position' AND {DRAWN.format('a')}",
    "SELECT h.run_id, h.method, h.n_layers, h.n_heads, h.scores, a.quantity, CAST(a.params AS VARCHAR) AS params "
    "FROM attribution_heads h JOIN attributions a ON a.run_id = h.run_id AND a.ordinal = h.ordinal "
    f"WHERE {DRAWN.format('h')}",
)


def create() -> None:
    """Without rows."""
    op.create_table(TABLE, *(column(text) for text in COLUMNS.split(", ")))
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(INDEX, TABLE, ["run_id"])


def drop() -> None:
    """Undo `create`."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(INDEX, TABLE)
    op.drop_table(TABLE)


def fill() -> None:
    """A row per run of the part and statistic."""
    connection = op.get_bind()
    for query, of_row in zip(READ, (attention_of, scores_of, relevance_of), strict=True):
        for rows in batches(connection, query):
            _insert(connection, [(row["run_id"], *item) for row in rows for item in of_row(row)])


def _insert(connection: Connection, found: list[Any]) -> None:
    columns = [column(text) for text in COLUMNS.split(", ")]
    names = [item.name for item in columns][2:-1]
    rows = [
        {"id": uuid.uuid4(), "run_id": run_id, **dict(zip(names, key, strict=True)),
         "scores": np.asarray(scores, np.float32).tolist()}
        for run_id, key, scores in found if len(scores) == key[-2] * key[-1]
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(sa.table(TABLE, *columns)), rows)
