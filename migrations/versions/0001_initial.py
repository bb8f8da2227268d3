"""The first public tables and views.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from headscope.migrations.v0001 import tables, views

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()
    views.create()


def downgrade() -> None:
    views.drop()
    tables.drop()
