"""What an attribution was asked for (`params`) and what came out (`outcome`), in two columns.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from headscope.migrations.v0009 import outcome, views

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    views.drop()
    outcome.add()
    views.create()


def downgrade() -> None:
    views.drop()
    outcome.remove()
    views.create_old()
