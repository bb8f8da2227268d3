"""The sum of cubes beside the other sums over heads: skewness, for intervals that hold.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

from headscope.migrations.v0018 import cubes

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    cubes.add()


def downgrade() -> None:
    cubes.take_away()
