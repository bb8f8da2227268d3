"""What is stored of the insides of several runs, in a query a table however many runs they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.statistics.flip_evidence import Inside
from headscope.storage import session
from headscope.storage.columns.arrays import heads_of
from headscope.storage.columns.attributions import attributions_of
from headscope.storage.ids import parse_id
from headscope.storage.schema import attributions, head_summaries, runs, token_traces

Rows = dict[Any, list[Mapping[Any, Any]]]


class InsideReader:
    """The part of `headscope.storage.interfaces.RunReader` that holds runs against each other."""

    engine: Engine

    def insides(self, run_ids: Sequence[str]) -> Mapping[str, Inside]:
        """See `RunReader.insides`."""
        ids = {found: text for text in run_ids if (found := parse_id(text)) is not None}
        with session.reading(self.engine) as connection:
            there = set(connection.execute(sa.select(runs.c.id).where(runs.c.id.in_(ids))).scalars())
            tokens = _of_runs(connection, ids, token_traces, "run_id", "tokens")
            heads = _of_runs(connection, ids, head_summaries)
            scores = _of_runs(connection, ids, attributions)
        return {
            text: Inside(
                tuple(tokens[key][0]["tokens"]) if key in tokens else (),
                attributions_of(scores.get(key, ())),
                heads_of(heads[key][0]) if key in heads else None,
            )
            for key, text in ids.items()
            if key in there
        }


def _of_runs(connection: Connection, ids: Mapping[Any, str], table: sa.Table, *names: str) -> Rows:
    """The rows of each run in their order, of these columns or all."""
    columns = [table.c[name] for name in names] or [*table.c]
    query = sa.select(*columns).where(table.c.run_id.in_(ids)).order_by(*table.primary_key.columns)
    found: Rows = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["run_id"], []).append(row)
    return found
