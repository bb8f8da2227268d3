"""What the checks of models found.

Revision ID: 0012
Revises: 0010
"""

from __future__ import annotations

from headscope.migrations.v0012 import tables

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()


def downgrade() -> None:
    tables.drop()
