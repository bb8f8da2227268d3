"""What was measured of every head in a part of the runs, together.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

from headscope.migrations.v0017 import values

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    values.create()
    values.fill()


def downgrade() -> None:
    values.drop()
