"""A LiveResult as one binary answer: arrays that the page draws as they are, and the rest as JSON beside them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from headscope.analysis.registry import METHODS
from headscope.analysis.spelling import spelling
from headscope.analysis.types import Continuation, ModelInfo, Target
from headscope.analysis.types.live import LiveExplainRequest, LiveExplanation, LiveResult
from headscope.dashboard.head_stats import STATS, head_stats

MAX_EXACT_BYTES = 4 * 2**20


def encode(result: LiveResult) -> bytes:
    """safetensors bytes; the metadata key `live` holds the JSON.

    attention: uint8 `[layer, head, query, key]`, round(255 * sqrt(weight)), for drawing. attention_half: uint16, same
    shape, the bits of the exact float16 weights, left out above 4 MB. logprobs, entropies: float32 `[position]`, nats.
    ranks: int32 `[position]`. topk_logprobs: float32 `[position, k]`, candidates for what follows the position. heads:
    float32 `[statistic, layer, head]`.
    """
    trace, attention = result.trace, np.ascontiguousarray(result.attention, dtype=np.float16)
    tensors: dict[str, NDArray[Any]] = {
        "attention": sqrt_bytes(attention),
        "logprobs": trace.logprobs,
        "entropies": trace.entropies,
        "ranks": trace.ranks,
        "topk_logprobs": trace.topk_logprobs,
        "heads": np.stack([getattr(result.heads, name) for name in STATS]),
    }
    if attention.nbytes <= MAX_EXACT_BYTES:
        tensors["attention_half"] = attention.view(np.uint16)
    facts = json.dumps(describe(result), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata={"live": facts})


def describe(result: LiveResult) -> dict[str, Any]:
    """Everything but the arrays, as JSON values; unmeasured numbers are None."""
    tokens, trace = result.trace.tokens, result.trace
    return {
        "text": tokens.text,
        "caution": result.caution,
        "advice": [asdict(one) for one in spelling(tokens.text, result.request.target, result.request.foil)],
        "tokens": list(tokens.texts),
        "spans": tokens.char_spans.tolist(),
        "words": tokens.words.tolist(),
        "special": tokens.special.tolist(),
        "topk_texts": [list(row) for row in trace.topk_texts],
        "next_entropy": _finite(trace.next_entropy),
        "position": result.request.target_position,
        "target": _target(result.target),
        "model": _model(result.info),
        "head_stats": _head_stats(result),
        "seconds": result.seconds,
    }


def explanation(asked: LiveExplainRequest, part: LiveExplanation) -> dict[str, Any]:
    """A part of the leave-one-out that was asked for as JSON values; tokens that are not in it have the score None."""
    found = part.attribution
    return {
        "label": METHODS[found.method].label,
        "summary": METHODS[found.method].summary,
        "quantity": found.quantity,
        "target": found.target,
        "foil": found.foil,
        "value": _finite(found.value),
        "scores": [_finite(score) for score in found.scores.tolist()],
        "error": found.error,
        "first": part.first,
        "stop": part.stop,
        "units": part.n_units,
        "unit": asked.unit,
        "masking": asked.masking,
        "seconds": found.seconds,
    }


def continuation(found: Continuation) -> dict[str, Any]:
    """A continuation as JSON values, with the probability of each token before any temperature."""
    tokens = zip(found.texts, found.logprobs.tolist(), strict=True)
    return {"text": found.text, "tokens": [{"text": text, "logprob": _finite(value)} for text, value in tokens]}


@lru_cache(maxsize=1)
def _sqrt_table() -> NDArray[np.uint8]:
    weights = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    levels: NDArray[np.uint8] = np.rint(255 * np.sqrt(np.clip(np.nan_to_num(weights), 0, 1))).astype(np.uint8)
    return levels


def sqrt_bytes(weights: NDArray[np.float16]) -> NDArray[np.uint8]:
    """uint8 round(255 * sqrt(weight)) by table: there are only 65,536 half floats."""
    levels: NDArray[np.uint8] = _sqrt_table()[weights.view(np.uint16)]
    return levels


def _head_stats(result: LiveResult) -> list[dict[str, Any]]:
    """Names and units of the rows of `heads`; `defined` is False for one that no head has (no token repeats)."""
    defined = head_stats(result.heads)
    return [
        {"name": name, "label": label, "unit": unit, "description": description, "defined": name in defined}
        for name, (label, unit, description) in STATS.items()
    ]


def _target(target: Target) -> dict[str, Any]:
    return {
        "id": target.token_id,
        "text": target.text,
        "n_tokens": target.n_tokens,
        "chosen": target.chosen,
        "logprob": _finite(target.logprob),
        "rank": target.rank,
        "foil_text": target.foil_text,
        "foil_n_tokens": target.foil_n_tokens,
        "foil_logprob": _finite(target.foil_logprob),
        "foil_rank": target.foil_rank,
    }


def _model(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.ref.name,
        "dtype": info.ref.dtype,
        "layers": info.n_layers,
        "heads": info.n_heads,
        "context": info.context_length,
        "params": info.n_params,
        "source": info.source,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
