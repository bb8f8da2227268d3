"""Scores given to runs that are stored already: of toxicity, or of a probe that reads texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types.findings import Finding
from headscope.storage.columns import findings
from headscope.storage.ids import parse_id
from headscope.storage.schema import jobs, probe_results, run_details, toxicity_scores
from headscope.storage.sql import bulk
from headscope.storage.write.batch import now


class ScoreWriter:
    """The part of the store's `FindingSink` about scores."""

    _transaction: Callable[[Callable[[Connection], Any]], Any]

    def save_scores(self, classifier: str, found: Mapping[str, Sequence[Finding]], *, probe: str = "") -> None:
        """See `FindingSink.save_scores`."""
        keys = {key: scores for run_id, scores in found.items() if (key := parse_id(run_id)) is not None}
        moment = now()
        table = probe_results if probe else toxicity_scores
        theirs = table.c.probe == probe if probe else table.c.classifier == classifier
        rows = [row for key, scores in keys.items() for row in findings.rows_of(key, scores, moment)[table.name]]

        def write(connection: Connection) -> None:
            if not keys:
                return
            _count_write(connection, next(iter(keys)))
            connection.execute(sa.delete(table).where(theirs, table.c.run_id.in_(list(keys))))
            bulk.insert(connection, table, rows)

        self._transaction(write)


def _count_write(connection: Connection, run_id: UUID) -> None:
    """What was counted before is counted again (`headscope.storage.read.counts.version`)."""
    job = sa.select(run_details.c.job_id).where(run_details.c.run_id == run_id).scalar_subquery()
    connection.execute(sa.update(jobs).where(jobs.c.id == job).values(writes=jobs.c.writes + 1))
