"""What people make of failures, and views of failures and toxicity.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from headscope.migrations.v0004 import tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()


def downgrade() -> None:
    tables.drop()
