"""What runs refer to: models, prompt sets, prompts, experiments, jobs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Double, Index, Integer, Table, Uuid

from headscope.storage.schema.base import (
    Json,
    Strings,
    created_at,
    id_column,
    metadata,
    status_check,
    text,
)

models = Table(
    "models",
    metadata,
    id_column(),
    text("name"),
    text("revision", nullable=True),
    text("backend"),
    text("dtype"),
    text("weights_sha256"),
    text("tokenizer_sha256"),
    text("architecture"),
    Column("n_layers", Integer, nullable=False),
    Column("n_heads", Integer, nullable=False),
    Column("n_kv_heads", Integer, nullable=False),
    Column("d_model", Integer, nullable=False),
    Column("vocab_size", Integer, nullable=False),
    Column("context_length", Integer, nullable=False),
    Column("n_params", BigInteger, nullable=False),
    text("source"),
    text("path"),
    created_at(),
    Index("ix_models_identity", "weights_sha256", "tokenizer_sha256", "backend", "dtype", unique=True),
)

prompt_sets = Table(
    "prompt_sets",
    metadata,
    id_column(),
    text("name"),
    text("version"),
    text("licence"),
    text("purpose"),
    text("sha256"),
    text("source"),
    Column("n_prompts", Integer, nullable=False),
    created_at(),
    Index("ix_prompt_sets_identity", "name", "version", "sha256", unique=True),
)

prompts = Table(
    "prompts",
    metadata,
    id_column(),
    Column("prompt_set_id", Uuid, nullable=False),
    Column("ordinal", Integer, nullable=False),
    text("prompt_key"),
    text("text"),
    text("target", nullable=True),
    text("foil", nullable=True),
    text("group_name", nullable=True),
    text("pair_id", nullable=True),
    Column("tags", Strings, nullable=False),
    text("invalid", nullable=True),
    Index("ix_prompts_key", "prompt_set_id", "prompt_key", unique=True),
)

experiments = Table(
    "experiments",
    metadata,
    id_column(),
    text("name"),
    text("description"),
    created_at(),
    Index("ix_experiments_name", "name", unique=True),
)

jobs = Table(
    "jobs",
    metadata,
    id_column(),
    text("status"),
    Column("experiment_id", Uuid, nullable=False),
    text("experiment"),
    text("model"),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("cached", Integer, nullable=False),
    Column("writes", Integer, nullable=False),
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
