"""Runs, with everything the grid filters and sorts by in the row, and what hangs on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Uuid

from headscope.storage.schema.base import (
    Integers,
    Json,
    Strings,
    created_at,
    id_column,
    metadata,
    postgresql_index,
    run_id_column,
    status_check,
    text,
)

# What the grid filters and sorts by, and no more: fixed-width columns first, because PostgreSQL steps over every column
# before the one it reads. The rest is in `run_details`.
runs = Table(
    "runs",
    metadata,
    id_column(),
    Column("experiment_id", Uuid, nullable=False),
    Column("model_id", Uuid, nullable=False),
    Column("facet_id", BigInteger, nullable=False),
    created_at(),
    Column("prompt_set_id", Uuid),
    Column("n_tokens", Integer),
    Column("seconds", Double),
    Column("mean_surprisal", Double),
    Column("perplexity", Double),
    Column("next_token_prob", Double),
    Column("next_entropy", Double),
    Column("target_logprob", Double),
    Column("margin", Double),
    Column("target_rank", Integer),
    text("status"),
    text("model"),
    text("experiment"),
    text("prompt_set", nullable=True),
    text("error_kind", nullable=True),
    Column("tags", Strings, nullable=False),
    text("prompt_key"),
    text("target", nullable=True),
    text("foil", nullable=True),
    text("next_token", nullable=True),
    text("pair_id", nullable=True),
    text("group_name", nullable=True),
    text("text"),
    text("search_text"),
    text("continuation", nullable=True),
    text("error", nullable=True),
    status_check("runs"),
    postgresql_index("ix_runs_experiment", "experiment_id", "status"),
    postgresql_index("ix_runs_model", "model_id"),
    postgresql_index("ix_runs_status", "status"),
    postgresql_index("ix_runs_created_at", "created_at", "id"),
    postgresql_index("ix_runs_facet", "facet_id", "created_at", "id"),
    postgresql_index(
        "ix_runs_grid",  # wide on purpose: filters on numbers read it instead of the rows with their texts
        *("target_rank", "mean_surprisal", "n_tokens", "next_token_prob", "margin", "seconds", "created_at", "id"),
    ),
)

# Every combination of facet values that runs have, a few thousand for a million runs: counts and conditions on facets
# are worked out here and touch `runs` through one short integer column. `id` is a hash of the values.
run_facets = Table(
    "run_facets",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    text("model"),
    text("prompt_set", nullable=True),
    text("experiment"),
    text("status"),
    text("error_kind", nullable=True),
    Column("tags", Strings, nullable=False),
)

run_details = Table(
    "run_details",
    metadata,
    run_id_column(key=True),
    text("result_key"),
    Column("job_id", Uuid, nullable=False),
    Column("capsule_id", Uuid, nullable=False),
    Column("prompt_id", Uuid),
    Column("copied_from", Uuid),
    Column("seed", BigInteger, nullable=False),
    Column("analyses", Strings, nullable=False),
    text("explained_token", nullable=True),
    Column("explained_token_id", Integer),
    Column("explained_n_tokens", Integer),
    text("explained_chosen", nullable=True),
    Column("explained_logprob", Double),
    Column("explained_rank", Integer),
    text("foil_token", nullable=True),
    Column("foil_token_id", Integer),
    Column("foil_n_tokens", Integer),
    Column("foil_logprob", Double),
    Column("foil_rank", Integer),
    text("explained_quantity", nullable=True),
    postgresql_index("ix_run_details_result_key", "result_key"),
)

capsules = Table(
    "capsules",
    metadata,
    id_column(),
    text("sha256"),
    Column("content", Json, nullable=False),
    Index("ix_capsules_sha256", "sha256", unique=True),
)

failures = Table(
    "failures",
    metadata,
    id_column(),
    run_id_column(),
    text("analysis", nullable=True),
    text("kind"),
    text("message"),
    created_at(),
    Index("ix_failures_run", "run_id"),
)

artifacts = Table(
    "artifacts",
    metadata,
    id_column(),
    run_id_column(),
    text("kind"),
    text("key"),
    Column("shape", Integers, nullable=False),
    text("dtype"),
    text("encoding"),
    Column("bytes", BigInteger, nullable=False),
    text("sha256"),
    created_at(),
    Index("ix_artifacts_run", "run_id", "kind", unique=True),
)
