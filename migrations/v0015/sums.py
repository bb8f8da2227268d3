"""Adds up the runs that an older store holds, frozen with version 0015."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

ROWS = 500  # read at once
HEAD_STATS = (
    "entropy",
    "entropy_normalised",
    "mean_distance",
    "previous_token",
    "first_token",
    "self_attention",
    "duplicate_token",
    "induction",
    "max_weight",
    "induction_lift",
    "missing_mass",
)
FIELDS = ("counts", "totals", "squares", "sizes", "lows", "highs")
SCOPE = "r.experiment_id, r.model_id, r.prompt_set_id"
READ = (
    f"SELECT {SCOPE}, h.* FROM head_summaries h JOIN runs r ON r.id = h.run_id",
    f"SELECT {SCOPE}, a.method, a.quantity, a.axes, a.shape, a.scores, CAST(a.params AS VARCHAR) AS params, "
    "CAST(a.outcome AS VARCHAR) AS outcome FROM attributions a JOIN runs r ON r.id = a.run_id "
    "WHERE a.error IS NULL AND a.axes[1] <> 'position' AND a.axes[2] <> 'position'",
    f"SELECT {SCOPE}, h.method, h.n_layers, h.n_heads, h.scores, a.quantity, CAST(a.params AS VARCHAR) AS params "
    "FROM attribution_heads h JOIN runs r ON r.id = h.run_id "
    "JOIN attributions a ON a.run_id = h.run_id AND a.ordinal = h.ordinal",
)
OVER_HEADS = {("layer", "head"), ("layer", "component"), ("condition", "layer", "head")}
TABLE = sa.table(
    "head_sums",
    *(sa.column(name, sa.Uuid) for name in ("id", "experiment_id", "model_id", "prompt_set_id")),
    *(sa.column(name, sa.String) for name in ("statistic", "quantity", "params")),
    *(sa.column(name, sa.Integer) for name in ("n_layers", "n_heads")),
    sa.column("counts", sa.ARRAY(sa.Integer)),
    *(sa.column(name, sa.ARRAY(sa.Double)) for name in ("totals", "squares", "sizes")),
    *(sa.column(name, sa.ARRAY(sa.REAL)) for name in ("lows", "highs")),
)
Key = tuple[Any, ...]


def fill() -> None:
    """A row per experiment, model, prompt set and statistic; none in an empty store."""
    connection = op.get_bind()
    found: dict[Key, list[np.ndarray[Any, Any]]] = {}
    for query, take in zip(READ, (attention_of, scores_of, relevance_of), strict=True):
        for rows in batches(connection, query):
            values: dict[Key, list[Any]] = {}
            for row in rows:
                scope = (row["experiment_id"], row["model_id"], row["prompt_set_id"])
                for key, mine in take(row):
                    if len(mine) == key[-2] * key[-1]:
                        values.setdefault(scope + key, []).append(mine)
            for key, mine in values.items():
                found[key] = _added(found.get(key), mine)
    for key, sums in found.items():
        names = [column.name for column in TABLE.columns][1:9]
        arrays = {name: array.tolist() for name, array in zip(FIELDS, sums, strict=True)}
        row = {"id": uuid.uuid4(), **dict(zip(names, key, strict=True)), **arrays}
        connection.execute(sa.insert(TABLE).values(row))


def batches(connection: Connection, query: str) -> Iterator[list[Any]]:
    """The rows of a query, `ROWS` at a time."""
    result = connection.execute(sa.text(query), execution_options={"yield_per": ROWS}).mappings()
    while rows := result.fetchmany(ROWS):
        yield list(rows)


def attention_of(row: Any) -> Iterator[tuple[Key, Any]]:
    """Every statistic of a row of `head_summaries`, with what it is."""
    for name in HEAD_STATS:
        if row[name] is not None:
            yield (name, "", "", row["n_layers"], row["n_heads"]), row[name]


def scores_of(row: Any) -> Iterator[tuple[Key, Any]]:
    """The scores of heads in a row of `attributions`."""
    unsure = row["outcome"] is not None and (json.loads(row["outcome"]) or {}).get("converged") is False
    axes = tuple(row["axes"])
    if unsure or axes not in OVER_HEADS or len(row["scores"]) != math.prod(row["shape"]):
        return
    scores = np.asarray(row["scores"], dtype=np.float32).reshape(tuple(row["shape"]))
    if axes[1] == "component":
        scores = scores[:, :-1]
    names = (row["method"], row["method"] + "_alone")
    for name, part in zip(names, scores.reshape(-1, *scores.shape[-2:]), strict=False):
        yield (name, row["quantity"], _written(row["params"]), *part.shape), part.reshape(-1)


def relevance_of(row: Any) -> Iterator[tuple[Key, Any]]:
    """A row of `attribution_heads`."""
    key = (row["method"], row["quantity"], _written(row["params"]), row["n_layers"], row["n_heads"])
    yield key, row["scores"]


def _written(params: str | None) -> str:
    read = json.loads(params) if params else None
    return json.dumps(read, sort_keys=True, ensure_ascii=False) if read else ""


def _added(before: list[np.ndarray[Any, Any]] | None, values: list[Any]) -> list[np.ndarray[Any, Any]]:
    stacked = np.asarray(values, dtype=np.float32)
    known = np.isfinite(stacked)
    exact = np.where(known, stacked, 0).astype(np.float64)
    held = np.where(known, stacked, np.float32(np.nan))
    mine = [known.sum(0), exact.sum(0), (exact**2).sum(0), np.abs(exact).sum(0),
            np.fmin.reduce(held, axis=0), np.fmax.reduce(held, axis=0)]  # fmt: skip
    if before is None:
        return mine
    joined = (np.add,) * 4 + (np.fmin, np.fmax)
    return [join(one, other) for join, one, other in zip(joined, before, mine, strict=True)]
