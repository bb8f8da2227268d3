"""The column of version 0006, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column


def create() -> None:
    """A column that is NULL in the attributions that are there."""
    op.add_column("attributions", column("score_errors real[]?"))


def drop() -> None:
    """Undo `create`."""
    op.drop_column("attributions", "score_errors")
