"""The columns and the view of version 0013, frozen; written as in versions 0001 and 0002."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column
from headscope.migrations.v0001.views import DuckDB, PostgreSQL
from headscope.migrations.v0002.views import SCORE

VIEW = "v_attribution_heads"


def create() -> None:
    """Columns that are NULL in the attributions that are there, and a row per head of those that have them."""
    op.add_column("attributions", column("head_scores real[]?"))
    op.add_column("attributions", column("head_shape integer[]?"))
    sql = PostgreSQL() if op.get_bind().dialect.name == "postgresql" else DuckDB()
    heads = sql.unnest(
        "a.run_id, a.method, a.target, a.foil, a.head_shape[2] AS n", {"score": "a.head_scores"}, "attributions a"
    )
    op.execute(
        f"CREATE VIEW {VIEW} AS SELECT run_id, method, target, foil, i {sql.divide} n AS layer, i % n AS head, {SCORE} "
        f"FROM ({heads}) x"
    )


def drop() -> None:
    """Undo `create`."""
    op.execute(f"DROP VIEW {VIEW}")
    op.drop_column("attributions", "head_shape")
    op.drop_column("attributions", "head_scores")
