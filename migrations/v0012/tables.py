"""The table and view of version 0012, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column

TABLE, VIEW, INDEX = "model_checks", "v_model_checks", "ix_model_checks_weights"
COLUMNS = (
    "id uuid!, ordinal integer!, model text, weights_sha256 text, backend text, dtype text, device text, "
    "code_version text, packages text, whole boolean, kind text, name text, status text, error double?, "
    "tolerance double?, sentence text, n_rows integer, seconds double, created_at timestamp"
)


def create() -> None:
    """What models were checked for, and for each row whether a newer check of the same model took its place."""
    op.create_table(TABLE, *(column(text) for text in COLUMNS.split(",")))
    op.create_index(INDEX, TABLE, ["weights_sha256"])
    same = "weights_sha256, backend, dtype, device"
    op.execute(
        f"CREATE VIEW {VIEW} AS SELECT model, weights_sha256, backend, dtype, device, code_version, packages, whole, "
        "kind, ordinal, name, status, error, tolerance, sentence, created_at AS checked_at, "
        f"DENSE_RANK() OVER (PARTITION BY {same} ORDER BY created_at DESC, id DESC) = 1 AS newest FROM {TABLE}"
    )


def drop() -> None:
    """Undo `create`."""
    op.execute(f"DROP VIEW {VIEW}")
    op.drop_index(INDEX, TABLE)
    op.drop_table(TABLE)
