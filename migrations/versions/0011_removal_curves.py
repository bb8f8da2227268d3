"""Receipts against recency, exact Shapley values and a second baseline, and their curves under each masking.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from headscope.migrations.v0011 import tables, views

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    views.drop_old()
    tables.create()
    views.create()


def downgrade() -> None:
    views.drop()
    tables.drop()
    views.create_old()
