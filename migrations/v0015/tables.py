"""The table and view of version 0015, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column
from headscope.migrations.v0001.views import DuckDB, PostgreSQL

TABLE, VIEW = "head_sums", "v_head_stats"
COLUMNS = (
    "id uuid!, experiment_id uuid, model_id uuid, prompt_set_id uuid?, statistic text, quantity text, params text, "
    "n_layers integer, n_heads integer, counts integer[], totals double[], squares double[], sizes double[], "
    "lows real[], highs real[]"
)
KEYS = "experiment_id, model_id, prompt_set_id, statistic, quantity, params, n_heads"
NUMBERS = ("counts", "totals", "squares", "sizes", "lows", "highs")


def create() -> None:
    """The sums, and means and standard deviations of them, a row per head."""
    op.create_table(TABLE, *(column(text) for text in COLUMNS.split(", ")))
    op.execute(f"CREATE VIEW {VIEW} AS {definition(op.get_bind().dialect.name)}")


def drop() -> None:
    """Undo `create`."""
    op.execute(f"DROP VIEW {VIEW}")
    op.drop_table(TABLE)


def definition(dialect: str) -> str:
    """Parts of the same runs are added up, then divided."""
    sql = PostgreSQL() if dialect == "postgresql" else DuckDB()
    keys = ", ".join(f"h.{name}" for name in KEYS.split(", "))
    parts = sql.unnest(keys, {name: f"h.{name}" for name in NUMBERS}, f"{TABLE} h")
    low, high = (f"NULLIF({name}, CAST('NaN' AS REAL))" for name in ("lows", "highs"))
    added = (
        f"SELECT {KEYS}, i, CAST(sum(counts) AS BIGINT) AS n, sum(totals) AS total, sum(squares) AS square, "
        f"sum(sizes) AS size, min({low}) AS low, max({high}) AS high FROM ({parts}) x GROUP BY {KEYS}, i"
    )
    count = "NULLIF(s.n, 0)"
    return (
        "SELECT s.experiment_id, e.name AS experiment, s.model_id, m.name AS model, s.prompt_set_id, "
        "p.name AS prompt_set, s.statistic, NULLIF(s.quantity, '') AS quantity, NULLIF(s.params, '') AS params, "
        f"s.i {sql.divide} s.n_heads AS layer, s.i % s.n_heads AS head, s.n, s.total / {count} AS mean, "
        f"s.size / {count} AS mean_size, "
        "CASE WHEN s.n > 1 THEN sqrt(GREATEST(s.square - s.total * s.total / s.n, 0) / (s.n - 1)) END AS sd, "
        f"s.low AS least, s.high AS largest FROM ({added}) s JOIN experiments e ON e.id = s.experiment_id "
        "JOIN models m ON m.id = s.model_id LEFT JOIN prompt_sets p ON p.id = s.prompt_set_id"
    )
