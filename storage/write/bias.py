"""Effects of groups, kept for people who ask in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.effect_rows import EffectRow
from headscope.storage.ids import new_id
from headscope.storage.rows import PairRuns
from headscope.storage.schema import bias_results, experiments
from headscope.storage.sql import bulk
from headscope.storage.write.batch import now

B = bias_results.c
PROBE = "counterfactual_pairs"


class BiasWriter:
    """The part of the store's `FindingSink` about effects of groups."""

    _transaction: Callable[[Callable[[Connection], Any]], Any]

    def save_effects(self, experiment: str, measure: str, read: PairRuns, found: Sequence[EffectRow]) -> None:
        """See `FindingSink.save_effects`."""
        moment = now()
        of_all = {"judge": read.judge, "runs": len(read), "of_runs": read.total, "code_version": CODE_VERSION}

        def write(connection: Connection) -> None:
            key = connection.execute(sa.select(experiments.c.id).where(experiments.c.name == experiment)).scalar()
            if key is None:
                raise UnknownNameError("experiment", experiment, (), "It is not in this store.")
            old = (B.experiment_id == key, B.probe == PROBE, B.measure == measure)
            connection.execute(sa.delete(bias_results).where(*old))
            common = {"experiment_id": key, "probe": PROBE, "created_at": moment}
            bulk.insert(connection, bias_results, [_row(row, of_all) | common for row in found])

        self._transaction(write)


def _row(row: EffectRow, of_all: dict[str, Any]) -> dict[str, Any]:
    said = asdict(row)
    columns = {name: said.pop(name) for name in ("measure", "group_a", "group_b")}
    return {"id": new_id(), **columns, "score": said.pop("effect"), "evidence": bulk.plain(said | of_all)}
