"""The views of version 0011, frozen: receipts with their new columns, and the points of their curves."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.views import DuckDB, PostgreSQL
from headscope.migrations.v0009 import views as v0009

RECEIPTS, CURVES = "v_receipts", "v_removal_curves"
ADDED = ("unit", "exact", "recency_gain", "shapley_top1", "shapley_tau", "second_baseline", "baseline_tau")
POINTS = ("deletion", "insertion", "random_deletion", "random_insertion", "recency_deletion", "recency_insertion")


def definitions(dialect: str) -> dict[str, str]:
    """View name -> SELECT."""
    sql = PostgreSQL() if dialect == "postgresql" else DuckDB()
    added = ", ".join(f"c.{name}" for name in ADDED)
    old = v0009.definitions(dialect)[RECEIPTS]
    points = sql.unnest(
        "m.run_id, m.ordinal, c.method, m.masking, m.place",
        {"fraction": "c.fractions", **{name: f"m.{name}" for name in POINTS}},
        "removal_curves m JOIN attribution_receipts c ON c.run_id = m.run_id AND c.ordinal = m.ordinal",
    )
    measured = ", ".join(f"NULLIF({name}, CAST('NaN' AS REAL)) AS {name}" for name in POINTS)
    return {
        RECEIPTS: old.replace(f"{v0009.CONVERGED}\n", f"{v0009.CONVERGED}, {added}\n"),
        CURVES: f"SELECT run_id, ordinal, method, masking, place, fraction, {measured} FROM ({points}) x",
    }


def create() -> None:
    """As of version 0011."""
    for name, select in definitions(op.get_bind().dialect.name).items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def drop() -> None:
    """Undo `create`."""
    for name in (CURVES, RECEIPTS):
        op.execute(f"DROP VIEW {name}")


def drop_old() -> None:
    """Nothing may look at a table that is being changed."""
    op.execute(f"DROP VIEW {RECEIPTS}")


def create_old() -> None:
    """As of version 0009."""
    op.execute(f"CREATE VIEW {RECEIPTS} AS {v0009.definitions(op.get_bind().dialect.name)[RECEIPTS]}")
