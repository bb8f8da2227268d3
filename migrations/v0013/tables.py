"""The table and view of version 0013, frozen; written as in version 0001.

A table of its own: version 0009 updates `attributions`, and DuckDB adds no column to it after that in one transaction.
"""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column
from headscope.migrations.v0001.views import DuckDB, PostgreSQL
from headscope.migrations.v0002.views import SCORE

TABLE, VIEW = "attribution_heads", "v_attribution_heads"
COLUMNS = "run_id uuid!, ordinal integer!, method text, n_layers integer, n_heads integer, scores real[]"


def create() -> None:
    """What passes through heads, of attributions that know, and its numbers one to a row."""
    op.create_table(TABLE, *(column(text) for text in COLUMNS.split(",")))
    sql = PostgreSQL() if op.get_bind().dialect.name == "postgresql" else DuckDB()
    scores = sql.unnest(
        "h.run_id, h.method, a.target, a.foil, h.n_heads",
        {"score": "h.scores"},
        f"{TABLE} h JOIN attributions a ON a.run_id = h.run_id AND a.ordinal = h.ordinal",
    )
    op.execute(
        f"CREATE VIEW {VIEW} AS SELECT run_id, method, target, foil, i {sql.divide} n_heads AS layer, "
        f"i % n_heads AS head, {SCORE} FROM ({scores}) x"
    )


def drop() -> None:
    """Undo `create`."""
    op.execute(f"DROP VIEW {VIEW}")
    op.drop_table(TABLE)
