"""The tables of version 0001, frozen: later versions change them by migrations, never here.

A column is written `name type`, then `!` for part of the primary key or `?` when it may be NULL.
"""

from __future__ import annotations

import contextlib
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

TABLES = {
    "token_traces": """
        run_id uuid!, n_tokens integer, n_candidates integer, token_ids integer[], tokens text[],
        char_starts integer[], char_ends integer[], words integer[], special boolean[], logprobs real[],
        ranks integer[], entropies real[], candidate_ids integer[], candidate_tokens text[],
        candidate_logprobs real[], next_entropy double?
    """,
    "continuations": """
        run_id uuid!, n_tokens integer, text text, token_ids integer[], tokens text[], logprobs real[],
        params json
    """,
    "head_summaries": """
        run_id uuid!, n_layers integer, n_heads integer, entropy real[], entropy_normalised real[],
        mean_distance real[], previous_token real[], first_token real[], self_attention real[],
        duplicate_token real[], induction real[], max_weight real[]
    """,
    "layer_summaries": """
        run_id uuid!, n_layers integer, n_positions integer, residual_norm real[]?, attn_update_norm real[]?,
        mlp_update_norm real[]?, lens_prob real[]?, lens_rank real[]?, kl_to_final real[]?,
        residual_norms real[]?, lens_token_ids integer[]?, lens_tokens text[]?, lens_probs real[]?,
        lens_entropies real[]?
    """,
    "attributions": """
        run_id uuid!, ordinal integer!, method text, quantity text, target text, foil text?, axes text[],
        shape integer[], scores real[], signed boolean, value double?, convergence_delta double?,
        seconds double?, params json, error text?
    """,
    "models": """
        id uuid!, name text, revision text?, backend text, dtype text, weights_sha256 text,
        tokenizer_sha256 text, architecture text, n_layers integer, n_heads integer, n_kv_heads integer,
        d_model integer, vocab_size integer, context_length integer, n_params bigint, source text, path text,
        created_at timestamp
    """,
    "prompt_sets": """
        id uuid!, name text, version text, licence text, purpose text, sha256 text, source text,
        n_prompts integer, created_at timestamp
    """,
    "prompts": """
        id uuid!, prompt_set_id uuid, ordinal integer, prompt_key text, text text, target text?, foil text?,
        group_name text?, pair_id text?, tags text[], invalid text?
    """,
    "experiments": """
        id uuid!, name text, description text, created_at timestamp
    """,
    "jobs": """
        id uuid!, status text, experiment_id uuid, experiment text, model text, total integer, done integer,
        failed integer, cached integer, writes integer, created_at timestamp, finished_at timestamp?,
        error text?, spec json
    """,
    "toxicity_scores": """
        id uuid!, run_id uuid, part text, label text, score double?, classifier text, evidence json?,
        created_at timestamp
    """,
    "bias_results": """
        id uuid!, experiment_id uuid, run_id uuid?, probe text, pair_id text?, group_a text, group_b text,
        measure text, score double?, evidence json?, created_at timestamp
    """,
    "probe_results": """
        id uuid!, run_id uuid, probe text, label text?, score double?, evidence json?, created_at timestamp
    """,
    "annotations": """
        id uuid!, run_id uuid, user_id uuid?, body text, tags text[], created_at timestamp
    """,
    "users": """
        id uuid!, name text, role text, password_hash text?, active boolean, created_at timestamp
    """,
    "api_tokens": """
        id uuid!, user_id uuid, name text, token_sha256 text, scopes text[], created_at timestamp,
        expires_at timestamp?, last_used_at timestamp?, revoked_at timestamp?
    """,
    "audit_log": """
        id uuid!, user_id uuid?, action text, object_kind text, object_id text?, detail json?,
        created_at timestamp
    """,
    "runs": """
        id uuid!, experiment_id uuid, model_id uuid, facet_id bigint, created_at timestamp, prompt_set_id uuid?,
        n_tokens integer?, seconds double?, mean_surprisal double?, perplexity double?, next_token_prob double?,
        next_entropy double?, target_logprob double?, margin double?, target_rank integer?, status text,
        model text, experiment text, prompt_set text?, error_kind text?, tags text[], prompt_key text,
        target text?, foil text?, next_token text?, pair_id text?, group_name text?, text text, search_text text,
        continuation text?, error text?
    """,
    "run_facets": """
        id bigint!, model text, prompt_set text?, experiment text, status text, error_kind text?, tags text[]
    """,
    "run_details": """
        run_id uuid!, result_key text, job_id uuid, capsule_id uuid, prompt_id uuid?, copied_from uuid?,
        seed bigint, analyses text[], explained_token text?, explained_token_id integer?,
        explained_n_tokens integer?, explained_chosen text?, explained_logprob double?, explained_rank integer?,
        foil_token text?, foil_token_id integer?, foil_n_tokens integer?, foil_logprob double?,
        foil_rank integer?
    """,
    "capsules": """
        id uuid!, sha256 text, content json
    """,
    "failures": """
        id uuid!, run_id uuid, analysis text?, kind text, message text, created_at timestamp
    """,
    "artifacts": """
        id uuid!, run_id uuid, kind text, key text, shape integer[], dtype text, encoding text, bytes bigint,
        sha256 text, created_at timestamp
    """,
}

INDEXES = (
    ("ix_models_identity", "models", ("weights_sha256", "tokenizer_sha256", "backend", "dtype"), True),
    ("ix_prompt_sets_identity", "prompt_sets", ("name", "version", "sha256"), True),
    ("ix_prompts_key", "prompts", ("prompt_set_id", "prompt_key"), True),
    ("ix_experiments_name", "experiments", ("name",), True),
    ("ix_toxicity_scores_run", "toxicity_scores", ("run_id",), False),
    ("ix_bias_results_experiment", "bias_results", ("experiment_id",), False),
    ("ix_probe_results_run", "probe_results", ("run_id",), False),
    ("ix_annotations_run", "annotations", ("run_id",), False),
    ("ix_users_name", "users", ("name",), True),
    ("ix_api_tokens_token", "api_tokens", ("token_sha256",), True),
    ("ix_capsules_sha256", "capsules", ("sha256",), True),
    ("ix_failures_run", "failures", ("run_id",), False),
    ("ix_artifacts_run", "artifacts", ("run_id", "kind"), True),
)
POSTGRESQL_INDEXES = (
    ("ix_runs_created_at", "runs", ("created_at", "id"), False),
    ("ix_runs_experiment", "runs", ("experiment_id", "status"), False),
    ("ix_runs_facet", "runs", ("facet_id", "created_at", "id"), False),
    ("ix_runs_model", "runs", ("model_id",), False),
    ("ix_runs_status", "runs", ("status",), False),
    ("ix_run_details_result_key", "run_details", ("result_key",), False),
)

STATUSES = "'queued', 'running', 'succeeded', 'failed', 'cancelled'"
TYPES: dict[str, Any] = {
    "uuid": sa.Uuid(),
    "text": sa.String(),
    "integer": sa.Integer(),
    "bigint": sa.BigInteger(),
    "double": sa.Double(),
    "real": sa.REAL(),
    "boolean": sa.Boolean(),
    "timestamp": sa.DateTime(),
    "json": sa.JSON().with_variant(JSONB(), "postgresql"),
}


def create() -> None:
    """Every table, then its indexes."""
    for name, columns in TABLES.items():
        items: list[Any] = [column(text) for text in columns.split(",")]
        if name in {"runs", "jobs"}:
            items.append(sa.CheckConstraint(f"status IN ({STATUSES})", name=f"ck_{name}_status"))
        op.create_table(name, *items)
    for index, table, index_columns, unique in _indexes():
        op.create_index(index, table, list(index_columns), unique=unique)
    if op.get_bind().dialect.name == "postgresql":
        _search_index(op.get_bind())


def _search_index(connection: Connection) -> None:
    """Serves the search field where the server offers pg_trgm and this user may add it; without it search scans."""
    offered = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if connection.execute(sa.text(offered)).first() is None:
        return
    with contextlib.suppress(DBAPIError), connection.begin_nested():
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        connection.execute(sa.text("CREATE INDEX gin_runs_search ON runs USING gin (search_text gin_trgm_ops)"))


def drop() -> None:
    """Undo `create`."""
    for index, table, *_ in _indexes():
        op.drop_index(index, table)
    for name in reversed(TABLES):
        op.drop_table(name)


def _indexes() -> tuple[tuple[str, str, tuple[str, ...], bool], ...]:
    return INDEXES + POSTGRESQL_INDEXES if op.get_bind().dialect.name == "postgresql" else INDEXES


def column(text: str) -> sa.Column[Any]:
    """A column of its one-line form."""
    name, kind = text.split()
    base = kind.rstrip("!?")
    item = TYPES[base.removesuffix("[]")]
    return sa.Column(
        name,
        sa.ARRAY(item) if base.endswith("[]") else item,
        primary_key=kind.endswith("!"),
        nullable=kind.endswith("?"),
        autoincrement=False,
    )
