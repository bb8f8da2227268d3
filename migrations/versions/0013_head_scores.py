"""Relevance of heads beside that of tokens.

Revision ID: 0013
Revises: 0010
"""

from __future__ import annotations

from headscope.migrations.v0013 import tables

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()


def downgrade() -> None:
    tables.drop()
