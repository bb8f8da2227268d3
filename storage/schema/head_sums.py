"""What was measured of every head: added up over runs (rows of the same runs are parts: they add up too), and once more
as it is for a part of the runs, drawn by the ends of their ids, together: of a million runs those lie far apart."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Uuid

from headscope.storage.schema.base import Doubles, Integers, Reals, postgresql_index, required, table, texts

head_sums = table(
    "head_sums",
    *required(Uuid, "experiment_id", "model_id"),
    Column("prompt_set_id", Uuid),
    *texts("statistic", "quantity", "params"),
    *required(Integer, "n_layers", "n_heads"),
    Column("counts", Integers, nullable=False),
    *required(Doubles, "totals", "squares", "cubes", "sizes"),
    *required(Reals, "lows", "highs"),
)

head_values = table(
    "head_values",
    *required(Uuid, "run_id"),
    *texts("statistic", "quantity", "params"),
    *required(Integer, "n_layers", "n_heads"),
    Column("scores", Reals, nullable=False),
    postgresql_index("ix_head_values_run", "run_id"),
)
