"""How far each score may be off, and whether it converged, in the views of scores.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from headscope.migrations.v0006 import tables, views

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()
    views.create()


def downgrade() -> None:
    views.drop()
    tables.drop()
