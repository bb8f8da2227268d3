"""Tables whose names and columns are fixed now and which later parts fill: probes, notes, accounts."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Double, Index, Table, Uuid

from headscope.storage.schema.base import Json, Strings, created_at, id_column, metadata, run_id_column, text

toxicity_scores = Table(
    "toxicity_scores",
    metadata,
    id_column(),
    run_id_column(),
    text("part"),
    text("label"),
    Column("score", Double),
    text("classifier"),
    Column("evidence", Json),
    created_at(),
    Index("ix_toxicity_scores_run", "run_id"),
)

bias_results = Table(
    "bias_results",
    metadata,
    id_column(),
    Column("experiment_id", Uuid, nullable=False),
    Column("run_id", Uuid),
    text("probe"),
    text("pair_id", nullable=True),
    text("group_a"),
    text("group_b"),
    text("measure"),
    Column("score", Double),
    Column("evidence", Json),
    created_at(),
    Index("ix_bias_results_experiment", "experiment_id"),
)

probe_results = Table(
    "probe_results",
    metadata,
    id_column(),
    run_id_column(),
    text("probe"),
    text("label", nullable=True),
    Column("score", Double),
    Column("evidence", Json),
    created_at(),
    Index("ix_probe_results_run", "run_id"),
)

notes = Table(
    "annotations",
    metadata,
    id_column(),
    run_id_column(),
    Column("user_id", Uuid),
    text("body"),
    Column("tags", Strings, nullable=False),
    created_at(),
    Index("ix_annotations_run", "run_id"),
)

# What people made of a failure: rows are only added, the newest of a run and detector holds.
triage = Table(
    "triage",
    metadata,
    id_column(),
    run_id_column(),
    text("probe"),
    text("status"),
    text("note"),
    Column("tags", Strings, nullable=False),
    text("who"),
    created_at(),
    Index("ix_triage_run", "run_id"),
)

users = Table(
    "users",
    metadata,
    id_column(),
    text("name"),
    text("role"),
    text("password_hash", nullable=True),
    Column("active", Boolean, nullable=False),
    created_at(),
    Index("ix_users_name", "name", unique=True),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    id_column(),
    Column("user_id", Uuid, nullable=False),
    text("name"),
    text("token_sha256"),
    Column("scopes", Strings, nullable=False),
    created_at(),
    Column("expires_at", DateTime),
    Column("last_used_at", DateTime),
    Column("revoked_at", DateTime),
    Index("ix_api_tokens_token", "token_sha256", unique=True),
)

audit_log = Table(
    "audit_log",
    metadata,
    id_column(),
    Column("user_id", Uuid),
    text("action"),
    text("object_kind"),
    text("object_id", nullable=True),
    Column("detail", Json),
    created_at(),
)
