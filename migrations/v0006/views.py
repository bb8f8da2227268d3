"""The views of version 0006, frozen: scores with their errors, and what did not converge says so wherever it is read.

`converged` is the method's own word, NULL when it gives none. New columns stand at the end of the old ones.
"""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001 import views as v0001
from headscope.migrations.v0001.views import DuckDB, PostgreSQL
from headscope.migrations.v0002 import views as v0002
from headscope.migrations.v0002.views import RECEIPTS, SCORE

NAMES = ("v_attribution_scores", "v_attribution_cells", "v_receipts")
CONVERGED = "CAST((a.params->>'converged') AS BOOLEAN) AS converged"
ERROR = "NULLIF(score_error, CAST('NaN' AS REAL)) AS score_error"
ARRAYS = {"score": "a.scores", "score_error": "a.score_errors"}


def definitions(dialect: str) -> dict[str, str]:
    """View name -> SELECT."""
    sql = PostgreSQL() if dialect == "postgresql" else DuckDB()
    scores = sql.unnest(
        f"a.run_id, a.method, a.target, a.foil, t.tokens, a.axes, {CONVERGED}",
        ARRAYS,
        "attributions a JOIN token_traces t ON t.run_id = a.run_id",
    )
    cells = sql.unnest(
        "a.run_id, a.ordinal, a.method, a.target, a.foil, a.axes, a.shape, COALESCE(a.shape[2], 1) AS n_b, "
        f"COALESCE(a.shape[3], 1) AS n_c, COALESCE(a.shape[4], 1) AS n_d, {CONVERGED}",
        ARRAYS,
        "attributions a",
    )
    return {
        "v_attribution_scores": "SELECT run_id, method, target, foil, i AS position, tokens[i + 1] AS token, "
        f"{SCORE}, {ERROR}, converged FROM ({scores}) x WHERE axes[1] = 'position' AND axes[2] IS NULL",
        "v_attribution_cells": "SELECT run_id, ordinal, method, target, foil, axes[1] AS axis_a, axes[2] AS axis_b, "
        f"axes[3] AS axis_c, axes[4] AS axis_d, i {sql.divide} (n_b * n_c * n_d) AS a, "
        f"{_index(sql.divide, 2, 'n_c * n_d', 'b')}, {_index(sql.divide, 3, 'n_d', 'c')}, "
        f"{_index(sql.divide, 4, '1', 'd')}, {SCORE}, {ERROR}, converged FROM ({cells}) x",
        "v_receipts": RECEIPTS.replace("a.peak_bytes\n", f"a.peak_bytes, {CONVERGED}\n"),
    }


def _index(divide: str, axis: int, inner: str, name: str) -> str:
    return f"CASE WHEN axes[{axis}] IS NOT NULL THEN i {divide} ({inner}) % shape[{axis}] END AS {name}"


def create() -> None:
    """Every view, in this database's words."""
    _make(definitions(op.get_bind().dialect.name))


def drop() -> None:
    """The views as they were."""
    dialect = op.get_bind().dialect.name
    old = v0001.definitions(dialect) | v0002.definitions(dialect)
    _make({name: old[name] for name in NAMES})


def _make(views: dict[str, str]) -> None:
    for name, select in views.items():
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {select}")
