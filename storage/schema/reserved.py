"""Tables whose names and columns are fixed now and which later parts fill: probes, notes, accounts."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Double, Index, Uuid

from headscope.storage.schema.base import (
    Json,
    Strings,
    created_at,
    optional,
    run_id_column,
    table,
    text,
    texts,
)

toxicity_scores = table(
    "toxicity_scores",
    run_id_column(),
    *texts("part", "label"),
    Column("score", Double),
    text("classifier"),
    Column("evidence", Json),
    created_at(),
    Index("ix_toxicity_scores_run", "run_id"),
)

bias_results = table(
    "bias_results",
    Column("experiment_id", Uuid, nullable=False),
    Column("run_id", Uuid),
    text("probe"),
    text("pair_id", nullable=True),
    *texts("group_a", "group_b", "measure"),
    Column("score", Double),
    Column("evidence", Json),
    created_at(),
    Index("ix_bias_results_experiment", "experiment_id"),
)

probe_results = table(
    "probe_results",
    run_id_column(),
    text("probe"),
    text("label", nullable=True),
    Column("score", Double),
    Column("evidence", Json),
    created_at(),
    Index("ix_probe_results_run", "run_id"),
)

notes = table(
    "annotations",
    run_id_column(),
    Column("user_id", Uuid),
    text("body"),
    Column("tags", Strings, nullable=False),
    created_at(),
    Index("ix_annotations_run", "run_id"),
)

# What people made of a failure: rows are only added, the newest of a run and detector holds.
triage = table(
    "triage",
    run_id_column(),
    *texts("probe", "status", "note"),
    Column("tags", Strings, nullable=False),
    text("who"),
    created_at(),
    Index("ix_triage_run", "run_id"),
)

users = table(
    "users",
    *texts("name", "role"),
    text("password_hash", nullable=True),
    Column("active", Boolean, nullable=False),
    created_at(),
    Index("ix_users_name", "name", unique=True),
)

api_tokens = table(
    "api_tokens",
    Column("user_id", Uuid, nullable=False),
    *texts("name", "token_sha256"),
    Column("scopes", Strings, nullable=False),
    created_at(),
    *optional(DateTime, "expires_at", "last_used_at", "revoked_at"),
    Index("ix_api_tokens_token", "token_sha256", unique=True),
)

audit_log = table(
    "audit_log",
    Column("user_id", Uuid),
    *texts("action", "object_kind"),
    text("object_id", nullable=True),
    Column("detail", Json),
    created_at(),
)
