"""The table and view of version 0010, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001 import views as before
from headscope.migrations.v0001.tables import column

TABLE, VIEW = "measured_arrays", "v_measured"
COLUMNS = "run_id uuid!, name text!, unit text, axes text[], shape integer[], measured real[]"


def create() -> None:
    """What measurements of other packages gave, and its numbers one to a row."""
    op.create_table(TABLE, *(column(text) for text in COLUMNS.split(",")))
    sql = before.PostgreSQL() if op.get_bind().dialect.name == "postgresql" else before.DuckDB()
    numbers = sql.unnest("m.run_id, m.name, m.unit, m.axes, m.shape", {"value": "m.measured"}, f"{TABLE} m")
    op.execute(
        f"CREATE VIEW {VIEW} AS SELECT run_id, name, unit, axes, shape, i AS element, "
        f"NULLIF(value, CAST('NaN' AS REAL)) AS value FROM ({numbers}) x"
    )


def drop() -> None:
    """Undo `create`."""
    op.execute(f"DROP VIEW {VIEW}")
    op.drop_table(TABLE)
