"""What was measured inside a run: one row of arrays per run and kind."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, String

from headscope.analysis.types import HEAD_STATS, LAYER_STATS
from headscope.storage.schema.base import (
    Booleans,
    Integers,
    Json,
    Reals,
    Strings,
    optional,
    required,
    table_of_runs,
    text,
    texts,
)

ADDED_HEAD_STATS = {"induction_lift", "missing_mass"}  # rows of schemas before 0007 do not have them

token_traces = table_of_runs(
    "token_traces",
    *required(Integer, "n_tokens", "n_candidates"),
    Column("token_ids", Integers, nullable=False),
    Column("tokens", Strings, nullable=False),
    *required(Integers, "char_starts", "char_ends", "words"),
    Column("special", Booleans, nullable=False),
    Column("logprobs", Reals, nullable=False),
    Column("ranks", Integers, nullable=False),
    Column("entropies", Reals, nullable=False),
    Column("candidate_ids", Integers, nullable=False),
    Column("candidate_tokens", Strings, nullable=False),
    Column("candidate_logprobs", Reals, nullable=False),
    Column("next_entropy", Double),
)

continuations = table_of_runs(
    "continuations",
    Column("n_tokens", Integer, nullable=False),
    text("text"),
    Column("token_ids", Integers, nullable=False),
    Column("tokens", Strings, nullable=False),
    Column("logprobs", Reals, nullable=False),
    Column("params", Json, nullable=False),
)

head_summaries = table_of_runs(
    "head_summaries",
    *required(Integer, "n_layers", "n_heads"),
    *(Column(name, Reals, nullable=name in ADDED_HEAD_STATS) for name in HEAD_STATS),
)

layer_summaries = table_of_runs(
    "layer_summaries",
    *required(Integer, "n_layers", "n_positions"),
    *(Column(name, Reals) for name in LAYER_STATS),
    Column("residual_norms", Reals),
    Column("lens_token_ids", Integers),
    Column("lens_tokens", Strings),
    *optional(Reals, "lens_probs", "lens_entropies"),
)

measured_arrays = table_of_runs(
    "measured_arrays",
    Column("name", String, primary_key=True),
    text("unit"),
    Column("axes", Strings, nullable=False),
    Column("shape", Integers, nullable=False),
    Column("measured", Reals, nullable=False),
)

attributions = table_of_runs(
    "attributions",
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    *texts("method", "quantity", "target"),
    text("foil", nullable=True),
    Column("axes", Strings, nullable=False),
    Column("shape", Integers, nullable=False),
    Column("scores", Reals, nullable=False),
    Column("signed", Boolean, nullable=False),
    *optional(Double, "value", "convergence_delta", "seconds"),
    Column("params", Json, nullable=False),
    text("error", nullable=True),
    Column("layer_scores", Reals),
    Column("layer_shape", Integers),
    Column("peak_bytes", BigInteger),
    Column("score_errors", Reals),
    Column("outcome", Json),
)

attribution_heads = table_of_runs(
    "attribution_heads",
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    text("method"),
    *required(Integer, "n_layers", "n_heads"),
    Column("scores", Reals, nullable=False),
)

attribution_receipts = table_of_runs(
    "attribution_receipts",
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    *texts("method", "verdict"),
    text("reason", nullable=True),
    text("masking"),
    *required(Integer, "n_units", "n_random"),
    *required(Reals, "fractions", "deletion", "insertion", "random_deletion", "random_insertion"),
    *optional(
        Double,
        "comprehensiveness",
        "sufficiency",
        "gain",
        "random_gain",
        "random_low",
        "random_high",
        "p_value",
        "error",
        "sensitivity",
    ),
    Column("noise_draws", Integer, nullable=False),
    *optional(Double, "randomisation", "seconds"),
    text("unit", nullable=True),
    Column("exact", Boolean),
    *optional(Double, "recency_gain", "shapley_top1", "shapley_tau"),
    text("second_baseline", nullable=True),
    *optional(Double, "baseline_tau"),
)

removal_curves = table_of_runs(
    "removal_curves",
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    text("masking"),
    *required(
        Reals,
        "deletion",
        "insertion",
        "random_deletion",
        "random_insertion",
        "recency_deletion",
        "recency_insertion",
    ),
    *optional(Double, "comprehensiveness", "sufficiency", "gain", "random_low", "random_high", "recency_gain"),
)
