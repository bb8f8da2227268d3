"""The table and columns of version 0011, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column

RECEIPTS, CURVES = "attribution_receipts", "removal_curves"
ADDED = """
    unit text?, exact boolean?, recency_gain double?, shapley_top1 double?, shapley_tau double?, second_baseline text?,
    baseline_tau double?
"""
CURVE_COLUMNS = """
    run_id uuid!, ordinal integer!, place integer!, masking text, deletion real[], insertion real[],
    random_deletion real[], random_insertion real[], recency_deletion real[], recency_insertion real[],
    comprehensiveness double?, sufficiency double?, gain double?, random_low double?, random_high double?,
    recency_gain double?
"""
OLD_VERDICT = """
    CASE WHEN verdict LIKE 'better than random %' THEN 'better than random'
         WHEN verdict = 'not converged' AND p_value <= 0.05 THEN 'better than random'
         WHEN verdict = 'not converged' THEN 'no better than random here'
         ELSE verdict END
"""
"""In the words of version 0010, which looked at p alone."""


def create() -> None:
    """Columns that are NULL in the receipts that are there, and a table."""
    for text in ADDED.split(","):
        op.add_column(RECEIPTS, column(text))
    op.create_table(CURVES, *(column(text) for text in CURVE_COLUMNS.split(",")))


def drop() -> None:
    """Undo `create`. The update comes last: after it DuckDB no longer alters the table in this transaction."""
    op.drop_table(CURVES)
    for text in reversed(ADDED.split(",")):
        op.drop_column(RECEIPTS, text.split()[0])
    op.execute(f"UPDATE {RECEIPTS} SET verdict = {OLD_VERDICT}")
