"""A narrow copy of the runs' numbers as an index: PostgreSQL filters, counts and sorts them without reading texts.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = "ix_runs_grid"
COLUMNS = ("target_rank", "mean_surprisal", "n_tokens", "next_token_prob", "margin", "seconds", "created_at", "id")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # DuckDB's tables are columns already
        op.create_index(NAME, "runs", list(COLUMNS))


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(NAME, "runs")
