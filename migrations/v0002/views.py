"""The views of version 0002, frozen: attributions over any axes and by layer, and receipts beside their runs."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.views import DuckDB, PostgreSQL

NAMES = ("v_attribution_cells", "v_attribution_layers", "v_receipts")
SCORE = "NULLIF(score, CAST('NaN' AS REAL)) AS score"

RECEIPTS = """
SELECT c.run_id, c.ordinal, c.method, a.quantity, a.target, a.foil, r.experiment, r.model, r.prompt_set, r.prompt_key,
    r.text, c.verdict, c.reason, c.masking, c.n_units, c.n_random, c.comprehensiveness, c.sufficiency, c.gain,
    c.random_gain, c.random_low, c.random_high, c.p_value, c.error, c.sensitivity, c.noise_draws, c.randomisation,
    c.seconds, a.seconds AS method_seconds, a.peak_bytes
FROM attribution_receipts c
JOIN attributions a ON a.run_id = c.run_id AND a.ordinal = c.ordinal
JOIN runs r ON r.id = c.run_id
"""


def definitions(dialect: str) -> dict[str, str]:
    """View name -> SELECT."""
    sql = PostgreSQL() if dialect == "postgresql" else DuckDB()
    cells = sql.unnest(
        "a.run_id, a.ordinal, a.method, a.target, a.foil, a.axes, a.shape, COALESCE(a.shape[2], 1) AS n_b, "
        "COALESCE(a.shape[3], 1) AS n_c, COALESCE(a.shape[4], 1) AS n_d",
        {"score": "a.scores"},
        "attributions a",
    )
    layers = sql.unnest(
        "a.run_id, a.method, a.target, a.foil, t.tokens, a.layer_shape[2] AS n",
        {"score": "a.layer_scores"},
        "attributions a JOIN token_traces t ON t.run_id = a.run_id",
    )
    return {
        "v_attribution_cells": "SELECT run_id, ordinal, method, target, foil, axes[1] AS axis_a, axes[2] AS axis_b, "
        f"axes[3] AS axis_c, axes[4] AS axis_d, i {sql.divide} (n_b * n_c * n_d) AS a, "
        f"{_index(sql.divide, 2, 'n_c * n_d', 'b')}, {_index(sql.divide, 3, 'n_d', 'c')}, "
        f"{_index(sql.divide, 4, '1', 'd')}, {SCORE} FROM ({cells}) x",
        "v_attribution_layers": f"SELECT run_id, method, target, foil, i {sql.divide} n AS layer, i % n AS position, "
        f"tokens[i % n + 1] AS token, {SCORE} FROM ({layers}) x",
        "v_receipts": RECEIPTS,
    }


def _index(divide: str, axis: int, inner: str, name: str) -> str:
    """The index along an axis; NULL where the scores have no such axis."""
    return f"CASE WHEN axes[{axis}] IS NOT NULL THEN i {divide} ({inner}) % shape[{axis}] END AS {name}"


def create() -> None:
    """Every view, in this database's words."""
    for name, select in definitions(op.get_bind().dialect.name).items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def drop() -> None:
    """Undo `create`."""
    for name in reversed(NAMES):
        op.execute(f"DROP VIEW {name}")
