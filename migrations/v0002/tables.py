"""The table and columns of version 0002, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column

RECEIPTS = "attribution_receipts"
RECEIPT_COLUMNS = """
    run_id uuid!, ordinal integer!, method text, verdict text, reason text?, masking text, n_units integer,
    n_random integer, fractions real[], deletion real[], insertion real[], random_deletion real[],
    random_insertion real[], comprehensiveness double?, sufficiency double?, gain double?, random_gain double?,
    random_low double?, random_high double?, p_value double?, error double?, sensitivity double?,
    noise_draws integer, randomisation double?, seconds double?
"""
ADDED = {
    "attributions": "layer_scores real[]?, layer_shape integer[]?, peak_bytes bigint?",
    "run_details": "explained_quantity text?",
}


def create() -> None:
    """A new table, and columns that are NULL in the rows that are there."""
    op.create_table(RECEIPTS, *(column(text) for text in RECEIPT_COLUMNS.split(",")))
    for table, columns in ADDED.items():
        for text in columns.split(","):
            op.add_column(table, column(text))


def drop() -> None:
    """Undo `create`."""
    for table, columns in ADDED.items():
        for text in reversed(columns.split(",")):
            op.drop_column(table, text.split()[0])
    op.drop_table(RECEIPTS)
