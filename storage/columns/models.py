"""Between ModelInfo and columns of `models`. No SQL here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headscope.analysis.types import ModelInfo, ModelRef

MODEL_COLUMNS = (
    "architecture",
    "n_layers",
    "n_heads",
    "n_kv_heads",
    "d_model",
    "vocab_size",
    "context_length",
    "n_params",
    "tokenizer_sha256",
    "source",
    "path",
)
REF_COLUMNS = ("name", "revision", "backend", "dtype", "weights_sha256")


def model_of(row: Mapping[Any, Any]) -> ModelInfo:
    """The ModelInfo a row of `models` holds."""
    ref = ModelRef(**{name: row[name] for name in REF_COLUMNS})
    return ModelInfo(ref=ref, **{name: row[name] for name in MODEL_COLUMNS})
