"""What was measured of every head, added up over runs. Rows of the same runs are parts: they add up too."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Uuid

from headscope.storage.schema.base import Doubles, Integers, Reals, required, table, texts

head_sums = table(
    "head_sums",
    *required(Uuid, "experiment_id", "model_id"),
    Column("prompt_set_id", Uuid),
    *texts("statistic", "quantity", "params"),
    *required(Integer, "n_layers", "n_heads"),
    Column("counts", Integers, nullable=False),
    *required(Doubles, "totals", "squares", "sizes"),
    *required(Reals, "lows", "highs"),
)
