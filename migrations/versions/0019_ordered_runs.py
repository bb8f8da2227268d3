"""An index per column that the grid sorts by: PostgreSQL finds a page of a million sorted runs without sorting them.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

NUMBERS = ("target_rank", "margin", "next_token_prob", "mean_surprisal", "n_tokens", "perplexity", "next_entropy",
           "target_logprob", "seconds")  # fmt: skip
TEXTS = ("status", "model", "experiment", "prompt_set", "text", "target", "next_token", "prompt_key", "foil", "pair_id",
         "group_name", "continuation", "error_kind")  # fmt: skip
LENGTH = "octet_length(coalesce({}, ''))"
LONGEST = 500
"""An index takes no text of 2,700 bytes and compresses those above 500. Longer ones have an index of their own."""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name, columns, where in _indexes():
            op.create_index(name, "runs", columns, postgresql_where=where)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for name, _, _ in _indexes():
            op.drop_index(name, "runs")


def _indexes() -> Iterator[tuple[str, list[Any], sa.TextClause | None]]:
    for column in NUMBERS:
        yield f"expr_runs_by_{column}", [column, "id"], None
    for column in TEXTS:
        length = LENGTH.format(column)
        by = sa.text(f'{column} COLLATE "C"')
        yield f"expr_runs_by_{column}", [by, "id"], sa.text(f"{length} <= {LONGEST}")
        yield f"expr_runs_long_{column}", ["id"], sa.text(f"{length} > {LONGEST}")
