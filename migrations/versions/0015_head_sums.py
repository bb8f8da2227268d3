"""What was measured of every head, added up over runs.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

from headscope.migrations.v0015 import sums, tables

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()
    sums.fill()


def downgrade() -> None:
    tables.drop()
