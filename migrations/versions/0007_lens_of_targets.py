"""Induction over chance, attention that goes to no token, and the logit lens of target and foil.

Revision ID: 0007
Revises: 0005
"""

from __future__ import annotations

from headscope.migrations.v0007 import tables

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables.create()


def downgrade() -> None:
    tables.drop()
