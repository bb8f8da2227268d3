"""Between the types of `headscope.analysis.types` and rows of flat arrays, both ways. No SQL here.

A value that was not measured is NaN in a float array and NULL for a single number or a rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import (
    HEAD_STATS,
    LAYER_STATS,
    Continuation,
    Float32,
    GenerationParams,
    HeadSummary,
    Int32,
    LayerSummary,
    LensTable,
    MeasuredArray,
    RunResult,
    Target,
    TokenizedText,
    TokenTrace,
)
from headscope.storage.columns import attributions as attribution_rows
from headscope.storage.columns.values import flat, floats, number, unmeasured

Row = dict[str, Any]
ARRAY_TABLES = (
    "token_traces",
    "continuations",
    "head_summaries",
    "layer_summaries",
    "measured_arrays",
    "attributions",
    "attribution_heads",
    "attribution_receipts",
    "removal_curves",
)


def array_rows(run_id: Any, result: RunResult) -> dict[str, list[Row]]:
    """Rows of every array table for one result; tables without a row are left out."""
    found: dict[str, list[Row]] = {}
    if result.trace is not None:
        found["token_traces"] = [_trace_row(result.trace)]
    if result.continuation is not None:
        found["continuations"] = [_continuation_row(result.continuation)]
    if result.heads is not None:
        found["head_summaries"] = [_heads_row(result.heads)]
    if result.layers is not None or result.lens is not None:
        found["layer_summaries"] = [_layers_row(result.layers, result.lens)]
    if result.measured:
        found["measured_arrays"] = [_measured_row(item) for item in result.measured]
    found |= attribution_rows.rows_of(result.attributions)
    return {table: [{"run_id": run_id, **row} for row in rows] for table, rows in found.items()}


def _flat_ids(values: NDArray[Any]) -> Int32:
    return np.ascontiguousarray(values, dtype=np.int32).reshape(-1)


def _nullable(values: NDArray[Any]) -> list[int | None]:
    return [None if value < 0 else int(value) for value in values.reshape(-1)]


def _ints(values: Sequence[int | None]) -> Int32:
    return np.asarray([-1 if value is None else value for value in values], dtype=np.int32)


def _measured_row(item: MeasuredArray) -> Row:
    return {
        "name": item.name,
        "unit": item.unit,
        "axes": list(item.axes),
        "shape": list(item.values.shape),
        "measured": flat(item.values),
    }


def measured_of(row: Mapping[Any, Any]) -> MeasuredArray:
    """The array a row of `measured_arrays` holds."""
    values = np.asarray(row["measured"], dtype=np.float32).reshape(tuple(row["shape"]))
    return MeasuredArray(row["name"], tuple(row["axes"]), values, row["unit"])


def _trace_row(trace: TokenTrace) -> Row:
    tokens = trace.tokens
    return {
        "n_tokens": len(tokens),
        "n_candidates": int(trace.topk_ids.shape[1]),
        "token_ids": _flat_ids(tokens.ids),
        "tokens": list(tokens.texts),
        "char_starts": _flat_ids(tokens.char_spans[:, 0]),
        "char_ends": _flat_ids(tokens.char_spans[:, 1]),
        "words": _flat_ids(tokens.words),
        "special": [bool(value) for value in tokens.special],
        "logprobs": flat(trace.logprobs),
        "ranks": _nullable(trace.ranks),
        "entropies": flat(trace.entropies),
        "candidate_ids": _flat_ids(trace.topk_ids),
        "candidate_tokens": [text for row in trace.topk_texts for text in row],
        "candidate_logprobs": flat(trace.topk_logprobs),
        "next_entropy": number(trace.next_entropy),
    }


def trace_of(row: Mapping[Any, Any]) -> TokenTrace:
    """The token trace a row of `token_traces` holds."""
    n, k = row["n_tokens"], row["n_candidates"]
    spans = np.stack([_ints(row["char_starts"]), _ints(row["char_ends"])], axis=1).reshape(n, 2)
    tokens = TokenizedText(
        text="".join(row["tokens"]),
        ids=_ints(row["token_ids"]),
        texts=tuple(row["tokens"]),
        char_spans=spans,
        words=_ints(row["words"]),
        special=np.asarray(row["special"], dtype=np.bool_),
    )
    candidates = row["candidate_tokens"]
    return TokenTrace(
        tokens=tokens,
        logprobs=floats(row["logprobs"]),
        ranks=_ints(row["ranks"]),
        entropies=floats(row["entropies"]),
        topk_ids=_ints(row["candidate_ids"]).reshape(n, k),
        topk_logprobs=floats(row["candidate_logprobs"]).reshape(n, k),
        topk_texts=tuple(tuple(candidates[i * k : (i + 1) * k]) for i in range(n)),
        next_entropy=unmeasured(row["next_entropy"]),
    )


def _continuation_row(item: Continuation) -> Row:
    params = item.params
    return {
        "n_tokens": len(item.ids),
        "text": item.text,
        "token_ids": _flat_ids(item.ids),
        "tokens": list(item.texts),
        "logprobs": flat(item.logprobs),
        "params": {name: getattr(params, name) for name in GenerationParams.__dataclass_fields__},
    }


def continuation_of(row: Mapping[Any, Any]) -> Continuation:
    """The continuation a row of `continuations` holds."""
    return Continuation(
        text=row["text"],
        ids=_ints(row["token_ids"]),
        texts=tuple(row["tokens"]),
        logprobs=floats(row["logprobs"]),
        params=GenerationParams(**row["params"]),
    )


def _heads_row(heads: HeadSummary) -> Row:
    n_layers, n_heads = heads.entropy.shape
    return {"n_layers": n_layers, "n_heads": n_heads, **{name: flat(getattr(heads, name)) for name in HEAD_STATS}}


def heads_of(row: Mapping[Any, Any]) -> HeadSummary:
    """The head summary a row of `head_summaries` holds."""
    shape = (row["n_layers"], row["n_heads"])
    return HeadSummary(**{name: _stat(row[name], shape) for name in HEAD_STATS})


def _stat(values: Sequence[float] | None, shape: tuple[int, ...]) -> Float32:
    """A statistic of its column; NaN in rows of an older schema, which did not have it."""
    return np.full(shape, np.nan, np.float32) if values is None else floats(values).reshape(shape)


def _layers_row(layers: LayerSummary | None, lens: LensTable | None) -> Row:
    shape = layers.residual_norms.shape if layers is not None else lens.top_ids.shape if lens is not None else (0, 0)
    row: Row = {"n_layers": shape[0], "n_positions": shape[1]}
    for name in (*LAYER_STATS, "residual_norms"):
        row[name] = None if layers is None else flat(getattr(layers, name))
    return row | {
        "lens_token_ids": None if lens is None else _flat_ids(lens.top_ids),
        "lens_tokens": None if lens is None else [text for texts in lens.top_texts for text in texts],
        "lens_probs": None if lens is None else flat(lens.top_probs),
        "lens_entropies": None if lens is None else flat(lens.entropies),
    }


def layers_of(row: Mapping[Any, Any]) -> LayerSummary | None:
    """The layer summary of a row of `layer_summaries`, None when only the lens was asked for."""
    if row["residual_norms"] is None:
        return None
    stats = {name: _stat(row[name], (row["n_layers"],)) for name in LAYER_STATS}
    norms = floats(row["residual_norms"]).reshape(row["n_layers"], row["n_positions"])
    return LayerSummary(**stats, residual_norms=norms)


def lens_of(row: Mapping[Any, Any]) -> LensTable | None:
    """The logit lens table of a row of `layer_summaries`, None when it was not asked for."""
    if row["lens_token_ids"] is None:
        return None
    shape = n_layers, n_positions = row["n_layers"], row["n_positions"]
    texts = row["lens_tokens"]
    return LensTable(
        top_ids=_ints(row["lens_token_ids"]).reshape(shape),
        top_probs=floats(row["lens_probs"]).reshape(shape),
        top_texts=tuple(tuple(texts[i * n_positions : (i + 1) * n_positions]) for i in range(n_layers)),
        entropies=floats(row["lens_entropies"]).reshape(shape),
    )


def target_columns(target: Target | None) -> Row:
    """Columns of `runs` that hold the explained target and foil."""
    if target is None:
        return {}
    has_foil = target.foil_text is not None
    return {
        "explained_token": target.text,
        "explained_token_id": _known(target.token_id),
        "explained_n_tokens": target.n_tokens,
        "explained_chosen": target.chosen,
        "explained_logprob": number(target.logprob),
        "explained_rank": _known(target.rank),
        "foil_token": target.foil_text,
        "foil_token_id": _known(target.foil_id),
        "foil_n_tokens": target.foil_n_tokens if has_foil else None,
        "foil_logprob": number(target.foil_logprob),
        "foil_rank": _known(target.foil_rank),
        "explained_quantity": target.quantity,
    }


def target_of(row: Mapping[Any, Any]) -> Target | None:
    """Inverse of `target_columns`."""
    if row["explained_token"] is None:
        return None
    return Target(
        token_id=_or_unknown(row["explained_token_id"]),
        text=row["explained_token"],
        n_tokens=row["explained_n_tokens"],
        chosen=row["explained_chosen"],
        logprob=unmeasured(row["explained_logprob"]),
        rank=_or_unknown(row["explained_rank"]),
        foil_id=_or_unknown(row["foil_token_id"]),
        foil_text=row["foil_token"],
        foil_n_tokens=row["foil_n_tokens"] or 0,
        foil_logprob=unmeasured(row["foil_logprob"]),
        foil_rank=_or_unknown(row["foil_rank"]),
        quantity=row["explained_quantity"] or "logprob",  # older stores knew no other
    )


def _known(value: int) -> int | None:
    """NULL for -1, which stands for an id or a rank that is not known."""
    return value if value >= 0 else None


def _or_unknown(value: int | None) -> int:
    return -1 if value is None else value
