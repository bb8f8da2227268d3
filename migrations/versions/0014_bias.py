"""Counterfactual pairs and stored effects for people who ask in SQL.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from headscope.migrations.v0014 import views

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    views.create()


def downgrade() -> None:
    views.drop()
