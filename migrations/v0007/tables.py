"""The columns and views of version 0007, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001 import views as before
from headscope.migrations.v0001.tables import column

ADDED = {
    "head_summaries": "induction_lift real[]?, missing_mass real[]?",
    "layer_summaries": "lens_target_logprob real[]?, lens_target_rank real[]?, lens_foil_logprob real[]?, "
    "lens_foil_rank real[]?",
}
HEAD_STATS = (*before.HEAD_STATS, "induction_lift", "missing_mass")
LAYER_STATS = (
    *before.LAYER_STATS, "lens_target_logprob", "lens_target_rank", "lens_foil_logprob", "lens_foil_rank",
)  # fmt: skip
NAMES = ("v_heads", "v_layers")


def definitions(dialect: str) -> dict[str, str]:
    """View name -> SELECT."""
    sql = before.PostgreSQL() if dialect == "postgresql" else before.DuckDB()
    heads = sql.unnest("h.run_id, h.n_heads", {name: f"h.{name}" for name in HEAD_STATS}, "head_summaries h")
    layers = sql.unnest("s.run_id", {name: f"s.{name}" for name in LAYER_STATS}, "layer_summaries s")
    return {
        "v_heads": f"SELECT run_id, i {sql.divide} n_heads AS layer, i % n_heads AS head, {_real(HEAD_STATS)} "
        f"FROM ({heads}) x",
        "v_layers": f"SELECT run_id, i AS layer, {_real(LAYER_STATS)} FROM ({layers}) x",
    }


def _real(names: tuple[str, ...]) -> str:
    return ", ".join(f"NULLIF({name}, CAST('NaN' AS REAL)) AS {name}" for name in names)


def create() -> None:
    """Columns that are NULL in the rows that are there, and the views with them."""
    _drop_views()
    for table, columns in ADDED.items():
        for text in columns.split(","):
            op.add_column(table, column(text))
    _create_views(definitions(op.get_bind().dialect.name))


def drop() -> None:
    """Undo `create`."""
    _drop_views()
    for table, columns in ADDED.items():
        for text in reversed(columns.split(",")):
            op.drop_column(table, text.split()[0])
    _create_views(before.definitions(op.get_bind().dialect.name))


def _drop_views() -> None:
    for name in NAMES:
        op.execute(f"DROP VIEW {name}")


def _create_views(selects: dict[str, str]) -> None:
    for name in NAMES:
        op.execute(f"CREATE VIEW {name} AS {selects[name]}")
