"""Receipts of attributions, their scores by layer, and the memory they took.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from headscope.migrations.v0002 import tables, views

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()
    views.create()


def downgrade() -> None:
    views.drop()
    tables.drop()
