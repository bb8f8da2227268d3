"""Sums over runs of what was measured of every head, and the rows that hold them. No SQL here."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import HEAD_STATS, Float32
from headscope.storage.rows.filters import PARTS

Row = Mapping[Any, Any]
Floats = NDArray[np.float64]
FIELDS = ("counts", "totals", "squares", "cubes", "sizes", "lows", "highs")
OVER_HEADS = {("layer", "head"), ("layer", "component"), ("condition", "layer", "head")}
ALONE = "_alone"
"""Added to the name of a method that has a score with backups counted and another of each head alone."""


PART = 32
"""Of `PARTS` (4,096): the runs whose values `head_values` keeps, one in 128."""


def in_part(run_id: UUID) -> bool:
    """Whether the last twelve bits of an id, which are random, draw it."""
    return run_id.int % PARTS < PART


class Scope(NamedTuple):
    """The runs that one row is of."""

    experiment_id: UUID
    model_id: UUID
    prompt_set_id: UUID | None


class Measured(NamedTuple):
    """What was measured, and of how many heads: values are comparable where all of it is the same."""

    statistic: str
    quantity: str
    params: str
    n_layers: int
    n_heads: int


@dataclass(frozen=True, slots=True)
class HeadSums:
    """Over the runs in which a head has a value, `[layer * head]`: how many, the sum of the values, of their squares,
    of their cubes and of their sizes (absolute values), the least and the largest (NaN where there is none)."""

    counts: NDArray[np.int64]
    totals: Floats
    squares: Floats
    cubes: Floats
    sizes: Floats
    lows: Float32
    highs: Float32

    def plus(self, other: HeadSums) -> HeadSums:
        """Over the runs of both."""
        return HeadSums(
            self.counts + other.counts,
            self.totals + other.totals,
            self.squares + other.squares,
            self.cubes + other.cubes,
            self.sizes + other.sizes,
            np.fmin(self.lows, other.lows),
            np.fmax(self.highs, other.highs),
        )


def sums_of(values: Sequence[Any]) -> HeadSums:
    """Of the values of some runs, each `[layer * head]`, NaN where unmeasured."""
    stacked = np.asarray(values, dtype=np.float32)
    known = np.isfinite(stacked)
    exact = np.where(known, stacked, 0).astype(np.float64)
    held = np.where(known, stacked, np.float32(np.nan))
    lows, highs = np.fmin.reduce(held, axis=0), np.fmax.reduce(held, axis=0)
    squares = exact**2
    sums = (exact.sum(0), squares.sum(0), (squares * exact).sum(0), np.abs(exact).sum(0))
    return HeadSums(known.sum(0), *sums, lows, highs)


def summed(values: Iterable[tuple[Measured, Any]]) -> dict[Measured, HeadSums]:
    """What was measured in some runs, each value with what it is; arrays of the wrong length are left out."""
    found: dict[Measured, list[Any]] = {}
    for key, mine in values:
        if len(mine) == key.n_layers * key.n_heads:
            found.setdefault(key, []).append(mine)
    return {key: sums_of(mine) for key, mine in found.items()}


def attention(row: Row) -> Iterator[tuple[Measured, Any]]:
    """Every statistic of a row of `head_summaries`."""
    for name in HEAD_STATS:
        if row[name] is not None:
            yield Measured(name, "", "", row["n_layers"], row["n_heads"]), row[name]


def scores(row: Row) -> Iterator[tuple[Measured, Any]]:
    """The scores of heads in a row of `attributions`: over `[layer, head]`, of `[layer, component]` the heads (the last
    component is the MLP), of `[condition, layer, head]` both conditions. Nothing of others, nor of what failed or did
    not converge."""
    axes, shape = tuple(row["axes"]), tuple(row["shape"])
    unsure = row["error"] is not None or (row["outcome"] or {}).get("converged") is False
    if unsure or axes not in OVER_HEADS or len(row["scores"]) != math.prod(shape):
        return
    found = np.asarray(row["scores"], dtype=np.float32).reshape(shape)
    if axes[1] == "component":
        found = found[:, :-1]
    for name, part in zip((row["method"], row["method"] + ALONE), found.reshape(-1, *found.shape[-2:]), strict=False):
        yield Measured(name, row["quantity"], written(row["params"]), *part.shape), part.reshape(-1)


def relevance(row: Row) -> tuple[Measured, Any]:
    """A row of `attribution_heads` with its attribution's quantity and params."""
    key = Measured(row["method"], row["quantity"], written(row["params"]), row["n_layers"], row["n_heads"])
    return key, row["scores"]


def written(params: Mapping[str, Any]) -> str:
    """Parameters as one text, the same for the same ones."""
    return json.dumps(dict(params), sort_keys=True, ensure_ascii=False) if params else ""


def row_of(scope: Scope, key: Measured, sums: HeadSums) -> dict[str, Any]:
    """The row of `head_sums`, without its id."""
    return {**scope._asdict(), **key._asdict(), **{name: getattr(sums, name).tolist() for name in FIELDS}}


def read_row(row: Row) -> tuple[Measured, HeadSums]:
    """Inverse of `row_of`, without the scope."""
    kinds = (np.int64, *(np.float64,) * 4, np.float32, np.float32)
    arrays = (np.asarray(row[name], dtype=kind) for name, kind in zip(FIELDS, kinds, strict=True))
    return Measured(*(row[name] for name in Measured._fields)), HeadSums(*arrays)


def merged(parts: Iterable[tuple[Any, HeadSums]]) -> dict[Any, HeadSums]:
    """Parts of the same key added up."""
    found: dict[Any, HeadSums] = {}
    for key, sums in parts:
        found[key] = found[key].plus(sums) if key in found else sums
    return found
