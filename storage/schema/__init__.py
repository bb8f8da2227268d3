"""The public tables (docs/sql.md explains every column). Views and older versions live in `migrations/`.

There are no foreign keys: DuckDB's break updates and deletes of parents and do not cascade, and both databases have
the same schema. The repository keeps references whole; `headscope db check` looks for orphans. Moments are UTC without
a zone. Arrays are flat and row-major, with their dimensions as columns; NaN inside a float array is unmeasured.
"""

from __future__ import annotations

from headscope.storage.schema.arrays import (
    attribution_heads,
    attribution_receipts,
    attributions,
    continuations,
    head_summaries,
    layer_summaries,
    measured_arrays,
    removal_curves,
    token_traces,
)
from headscope.storage.schema.base import metadata
from headscope.storage.schema.certificates import model_checks
from headscope.storage.schema.head_sums import head_sums, head_values
from headscope.storage.schema.references import experiments, jobs, models, prompt_sets, prompts
from headscope.storage.schema.reserved import (
    api_tokens,
    audit_log,
    bias_results,
    notes,
    probe_results,
    toxicity_scores,
    triage,
    users,
)
from headscope.storage.schema.runs import artifacts, capsules, failures, run_details, run_facets, runs

__all__ = [
    "api_tokens",
    "artifacts",
    "attribution_heads",
    "attribution_receipts",
    "attributions",
    "audit_log",
    "bias_results",
    "capsules",
    "continuations",
    "experiments",
    "failures",
    "head_summaries",
    "head_sums",
    "head_values",
    "jobs",
    "layer_summaries",
    "measured_arrays",
    "metadata",
    "model_checks",
    "models",
    "notes",
    "probe_results",
    "prompt_sets",
    "prompts",
    "removal_curves",
    "run_details",
    "run_facets",
    "runs",
    "token_traces",
    "toxicity_scores",
    "triage",
    "users",
]
