"""Which process carries out a job, and a view that says which jobs were left by theirs.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from headscope.migrations.v0005 import tables

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()


def downgrade() -> None:
    tables.drop()
