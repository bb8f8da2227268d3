"""Reading what was measured of heads over many runs, from sums that the writer keeps."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from headscope.storage import session
from headscope.storage.columns import head_sums as columns
from headscope.storage.columns.head_sums import HeadSums, Measured
from headscope.storage.rows import HeadMeans
from headscope.storage.schema import experiments, head_sums, models, prompt_sets


class HeadReader:
    """The part of `headscope.storage.interfaces.RunReader` about heads."""

    engine: Engine

    def head_stats(self, experiment: str, model: str = "", prompt_set: str = "") -> tuple[HeadMeans, ...]:
        """See `RunReader.head_stats`."""
        joined = head_sums.join(experiments, experiments.c.id == head_sums.c.experiment_id)
        joined = joined.join(models, models.c.id == head_sums.c.model_id)
        joined = joined.outerjoin(prompt_sets, prompt_sets.c.id == head_sums.c.prompt_set_id)
        name = models.c.name.label("model")
        query = sa.select(head_sums, name).select_from(joined).where(experiments.c.name == experiment)
        if model:
            query = query.where(models.c.name == model)
        if prompt_set:
            query = query.where(prompt_sets.c.name == prompt_set)
        with session.reading(self.engine) as connection:
            rows = connection.execute(query).mappings().all()
        parts = [((row["model"], key), sums) for row in rows for key, sums in (columns.read_row(row),)]
        found = columns.merged(parts)
        return tuple(_stat(model, key, found[model, key]) for model, key in sorted(found))


def _stat(model: str, key: Measured, sums: HeadSums) -> HeadMeans:
    shape, n = (key.n_layers, key.n_heads), sums.counts
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, size = sums.totals / n, sums.sizes / n
        spread = np.maximum(sums.squares - sums.totals * mean, 0) / np.where(n > 1, n - 1, np.nan)
    least, largest = (item.astype(np.float64) for item in (sums.lows, sums.highs))
    arrays = (item.reshape(shape) for item in (n, mean, size, np.sqrt(spread), least, largest))
    return HeadMeans(model, key.statistic, key.quantity, key.params, *arrays)
