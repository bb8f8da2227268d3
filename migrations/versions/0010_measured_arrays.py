"""Arrays that measurements of other packages give.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from headscope.migrations.v0010 import tables

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()


def downgrade() -> None:
    tables.drop()
