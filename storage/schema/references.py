"""What runs refer to: models, prompt sets, prompts, experiments, jobs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Double, Index, Integer, Uuid

from headscope.storage.schema.base import (
    Json,
    Strings,
    created_at,
    required,
    status_check,
    table,
    text,
    texts,
)

models = table(
    "models",
    text("name"),
    text("revision", nullable=True),
    *texts("backend", "dtype", "weights_sha256", "tokenizer_sha256", "architecture"),
    *required(Integer, "n_layers", "n_heads", "n_kv_heads", "d_model", "vocab_size", "context_length"),
    Column("n_params", BigInteger, nullable=False),
    *texts("source", "path"),
    created_at(),
    Index("ix_models_identity", "weights_sha256", "tokenizer_sha256", "backend", "dtype", unique=True),
)

prompt_sets = table(
    "prompt_sets",
    *texts("name", "version", "licence", "purpose", "sha256", "source"),
    Column("n_prompts", Integer, nullable=False),
    created_at(),
    Index("ix_prompt_sets_identity", "name", "version", "sha256", unique=True),
)

prompts = table(
    "prompts",
    Column("prompt_set_id", Uuid, nullable=False),
    Column("ordinal", Integer, nullable=False),
    *texts("prompt_key", "text"),
    *texts("target", "foil", "group_name", "pair_id", nullable=True),
    Column("tags", Strings, nullable=False),
    text("invalid", nullable=True),
    Index("ix_prompts_key", "prompt_set_id", "prompt_key", unique=True),
)

experiments = table(
    "experiments",
    *texts("name", "description"),
    created_at(),
    Index("ix_experiments_name", "name", unique=True),
)

jobs = table(
    "jobs",
    text("status"),
    Column("experiment_id", Uuid, nullable=False),
    *texts("experiment", "model"),
    *required(Integer, "total", "done", "failed", "cached", "writes"),
    created_at(),
    Column("finished_at", DateTime),
    text("error", nullable=True),
    Column("spec", Json, nullable=False),
    text("host", nullable=True),
    Column("pid", Integer),
    Column("process_started", Double),
    Column("updated_at", DateTime),
    status_check("jobs"),
)
