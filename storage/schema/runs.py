"""Runs, with everything the grid filters and sorts by in the row, and what hangs on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Uuid

from headscope.storage.schema.base import (
    Integers,
    Json,
    Strings,
    created_at,
    metadata,
    optional,
    postgresql_index,
    required,
    run_id_column,
    status_check,
    table,
    table_of_runs,
    text,
    texts,
)

# What the grid filters and sorts by, and no more: fixed-width columns first, because PostgreSQL steps over every column
# before the one it reads. The rest is in `run_details`.
runs = table(
    "runs",
    *required(Uuid, "experiment_id", "model_id"),
    Column("facet_id", BigInteger, nullable=False),
    created_at(),
    Column("prompt_set_id", Uuid),
    Column("n_tokens", Integer),
    *optional(
        Double, "seconds", "mean_surprisal", "perplexity", "next_token_prob", "next_entropy", "target_logprob", "margin"
    ),
    Column("target_rank", Integer),
    *texts("status", "model", "experiment"),
    *texts("prompt_set", "error_kind", nullable=True),
    Column("tags", Strings, nullable=False),
    text("prompt_key"),
    *texts("target", "foil", "next_token", "pair_id", "group_name", nullable=True),
    *texts("text", "search_text"),
    *texts("continuation", "error", nullable=True),
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
    *texts("experiment", "status"),
    text("error_kind", nullable=True),
    Column("tags", Strings, nullable=False),
)

run_details = table_of_runs(
    "run_details",
    text("result_key"),
    *required(Uuid, "job_id", "capsule_id"),
    *optional(Uuid, "prompt_id", "copied_from"),
    Column("seed", BigInteger, nullable=False),
    Column("analyses", Strings, nullable=False),
    text("explained_token", nullable=True),
    *optional(Integer, "explained_token_id", "explained_n_tokens"),
    text("explained_chosen", nullable=True),
    Column("explained_logprob", Double),
    Column("explained_rank", Integer),
    text("foil_token", nullable=True),
    *optional(Integer, "foil_token_id", "foil_n_tokens"),
    Column("foil_logprob", Double),
    Column("foil_rank", Integer),
    text("explained_quantity", nullable=True),
    postgresql_index("ix_run_details_result_key", "result_key"),
)

capsules = table(
    "capsules",
    text("sha256"),
    Column("content", Json, nullable=False),
    Index("ix_capsules_sha256", "sha256", unique=True),
)

failures = table(
    "failures",
    run_id_column(),
    text("analysis", nullable=True),
    *texts("kind", "message"),
    created_at(),
    Index("ix_failures_run", "run_id"),
)

artifacts = table(
    "artifacts",
    run_id_column(),
    *texts("kind", "key"),
    Column("shape", Integers, nullable=False),
    *texts("dtype", "encoding"),
    Column("bytes", BigInteger, nullable=False),
    text("sha256"),
    created_at(),
    Index("ix_artifacts_run", "run_id", "kind", unique=True),
)
