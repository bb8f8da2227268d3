"""What the checks of models found. Rows are only added; the newest certificate of a model holds."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, Integer, Table, Uuid

from headscope.storage.schema.base import created_at, metadata, text

model_checks = Table(
    "model_checks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    text("model"),
    text("weights_sha256"),
    text("backend"),
    text("dtype"),
    text("device"),
    text("code_version"),
    text("packages"),
    Column("whole", Boolean, nullable=False),
    text("kind"),
    text("name"),
    text("status"),
    Column("error", Double),
    Column("tolerance", Double),
    text("sentence"),
    Column("n_rows", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    created_at(),
    Index("ix_model_checks_weights", "weights_sha256"),
)
