"""An index by which PostgreSQL draws a part of the prompts without reading every run.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

NAME = "expr_runs_part"
PART = "substr(md5(coalesce(prompt_set, '') || chr(10) || coalesce('pair ' || pair_id, 'key ' || prompt_key)), 1, 3)"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(NAME, "runs", [sa.text(PART)])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(NAME, "runs")
