"""What the search field looks in, without accents.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from headscope.migrations.v0008 import search

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    search.fold()


def downgrade() -> None:
    search.unfold()
