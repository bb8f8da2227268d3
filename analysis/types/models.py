"""Which model, and what it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which weights, exactly. `weights_sha256` is empty until the model has been resolved and loaded."""

    name: str
    revision: str | None = None
    backend: str = "hf_causal"
    dtype: str = "float32"
    weights_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model is; the `models` table holds one row for each distinct `ref.weights_sha256`.

    `source` is one of `folder`, `model_dir`, `hub`, `embedded`; `path` the local folder it was read from.
    """

    ref: ModelRef
    architecture: str
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    vocab_size: int
    context_length: int
    n_params: int
    tokenizer_sha256: str
    source: str
    path: str
