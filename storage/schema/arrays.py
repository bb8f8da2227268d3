"""What was measured inside a run: one row of arrays per run and kind."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Double, Integer, String, Table

from headscope.analysis.types import HEAD_STATS, LAYER_STATS
from headscope.storage.schema.base import (
    Integers,
    Json,
    Reals,
    Strings,
    metadata,
    run_id_column,
    text,
)

ADDED_HEAD_STATS = {"induction_lift", "missing_mass"}  # rows of schemas before 0007 do not have them

token_traces = Table(
    "token_traces",
    metadata,
    run_id_column(key=True),
    Column("n_tokens", Integer, nullable=False),
    Column("n_candidates", Integer, nullable=False),
    Column("token_ids", Integers, nullable=False),
    Column("tokens", Strings, nullable=False),
    Column("char_starts", Integers, nullable=False),
    Column("char_ends", Integers, nullable=False),
    Column("words", Integers, nullable=False),
    Column("special", ARRAY(Boolean), nullable=False),
    Column("logprobs", Reals, nullable=False),
    Column("ranks", Integers, nullable=False),
    Column("entropies", Reals, nullable=False),
    Column("candidate_ids", Integers, nullable=False),
    Column("candidate_tokens", Strings, nullable=False),
    Column("candidate_logprobs", Reals, nullable=False),
    Column("next_entropy", Double),
)

continuations = Table(
    "continuations",
    metadata,
    run_id_column(key=True),
    Column("n_tokens", Integer, nullable=False),
    text("text"),
    Column("token_ids", Integers, nullable=False),
    Column("tokens", Strings, nullable=False),
    Column("logprobs", Reals, nullable=False),
    Column("params", Json, nullable=False),
)

head_summaries = Table(
    "head_summaries",
    metadata,
    run_id_column(key=True),
    Column("n_layers", Integer, nullable=False),
    Column("n_heads", Integer, nullable=False),
    *(Column(name, Reals, nullable=name in ADDED_HEAD_STATS) for name in HEAD_STATS),
)

layer_summaries = Table(
    "layer_summaries",
    metadata,
    run_id_column(key=True),
    Column("n_layers", Integer, nullable=False),
    Column("n_positions", Integer, nullable=False),
    *(Column(name, Reals) for name in LAYER_STATS),
    Column("residual_norms", Reals),
    Column("lens_token_ids", Integers),
    Column("lens_tokens", Strings),
    Column("lens_probs", Reals),
    Column("lens_entropies", Reals),
)

measured_arrays = Table(
    "measured_arrays",
    metadata,
    run_id_column(key=True),
    Column("name", String, primary_key=True),
    text("unit"),
    Column("axes", Strings, nullable=False),
    Column("shape", Integers, nullable=False),
    Column("measured", Reals, nullable=False),
)

attributions = Table(
    "attributions",
    metadata,
    run_id_column(key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    text("method"),
    text("quantity"),
    text("target"),
    text("foil", nullable=True),
    Column("axes", Strings, nullable=False),
    Column("shape", Integers, nullable=False),
    Column("scores", Reals, nullable=False),
    Column("signed", Boolean, nullable=False),
    Column("value", Double),
    Column("convergence_delta", Double),
    Column("seconds", Double),
    Column("params", Json, nullable=False),
    text("error", nullable=True),
    Column("layer_scores", Reals),
    Column("layer_shape", Integers),
    Column("peak_bytes", BigInteger),
    Column("score_errors", Reals),
    Column("outcome", Json),
)

attribution_receipts = Table(
    "attribution_receipts",
    metadata,
    run_id_column(key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    text("method"),
    text("verdict"),
    text("reason", nullable=True),
    text("masking"),
    Column("n_units", Integer, nullable=False),
    Column("n_random", Integer, nullable=False),
    Column("fractions", Reals, nullable=False),
    Column("deletion", Reals, nullable=False),
    Column("insertion", Reals, nullable=False),
    Column("random_deletion", Reals, nullable=False),
    Column("random_insertion", Reals, nullable=False),
    Column("comprehensiveness", Double),
    Column("sufficiency", Double),
    Column("gain", Double),
    Column("random_gain", Double),
    Column("random_low", Double),
    Column("random_high", Double),
    Column("p_value", Double),
    Column("error", Double),
    Column("sensitivity", Double),
    Column("noise_draws", Integer, nullable=False),
    Column("randomisation", Double),
    Column("seconds", Double),
    text("unit", nullable=True),
    Column("exact", Boolean),
    Column("recency_gain", Double),
    Column("shapley_top1", Double),
    Column("shapley_tau", Double),
    text("second_baseline", nullable=True),
    Column("baseline_tau", Double),
)

removal_curves = Table(
    "removal_curves",
    metadata,
    run_id_column(key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    text("masking"),
    Column("deletion", Reals, nullable=False),
    Column("insertion", Reals, nullable=False),
    Column("random_deletion", Reals, nullable=False),
    Column("random_insertion", Reals, nullable=False),
    Column("recency_deletion", Reals, nullable=False),
    Column("recency_insertion", Reals, nullable=False),
    Column("comprehensiveness", Double),
    Column("sufficiency", Double),
    Column("gain", Double),
    Column("random_low", Double),
    Column("random_high", Double),
    Column("recency_gain", Double),
)
