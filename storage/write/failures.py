"""What failure detectors found, and what people made of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types.findings import PASSED, SEVERITIES, ProbeResult
from headscope.storage import session
from headscope.storage.columns import findings
from headscope.storage.ids import new_id, parse_id
from headscope.storage.read import filters
from headscope.storage.rows import DetectorCount, FailureFilter, FailureRow, RunFilter
from headscope.storage.schema import probe_results, runs, triage
from headscope.storage.sql import bulk
from headscope.storage.write.batch import now

P, R, T = probe_results.c, runs.c, triage.c
STATUSES = ("open", "confirmed", "dismissed")
CHUNK = 2_000
_NEWEST = sa.func.row_number().over(partition_by=(T.run_id, T.probe), order_by=(T.created_at.desc(), T.id.desc()))
_RANKED = sa.select(triage, _NEWEST.label("newest")).subquery()
_SEVERITY = sa.case({name: rank for rank, name in enumerate(SEVERITIES)}, value=P.label, else_=-1)


class FailureStore:
    """The part of the store about failures: `RunReader.failures_page`, `FindingSink`."""

    engine: Engine
    _transaction: Callable[[Callable[[Connection], Any]], Any]
    _write_lock: threading.Lock

    def detector_counts(self, where: RunFilter) -> tuple[DetectorCount, ...]:
        """See `RunReader.detector_counts`."""
        status = sa.func.coalesce(_RANKED.c.status, STATUSES[0])
        query = sa.select(P.probe, P.label, status, sa.func.count()).select_from(_joined())
        query = query.where(*filters.clauses(where), P.label.in_((PASSED, *SEVERITIES)))
        with session.reading(self.engine) as connection:
            rows = connection.execute(query.group_by(P.probe, P.label, status).order_by(P.probe, P.label, status))
            return tuple(DetectorCount(*row) for row in rows)

    def failures_page(
        self, which: FailureFilter, offset: int = 0, limit: int = 50
    ) -> tuple[tuple[FailureRow, ...], int]:
        """See `RunReader.failures_page`."""
        judged = _RANKED.c
        clauses = [*filters.clauses(which.where), P.label.in_(which.severities or SEVERITIES)]
        if which.detector:
            clauses.append(P.probe == which.detector)
        if which.status:
            clauses.append(sa.func.coalesce(judged.status, STATUSES[0]) == which.status)
        of_run = ("model", "experiment", "prompt_set", "prompt_key", "text", "target", "foil", "pair_id", "tags")
        shown = [R.id.label("run_id"), R.group_name.label("group"), *(R[name] for name in of_run),
                 P.probe.label("detector"), P.label.label("severity"), P.score, P.evidence,
                 judged.status, judged.note, judged.tags.label("triage_tags"), judged.who]  # fmt: skip
        query = sa.select(*shown).select_from(_joined()).where(*clauses)
        query = query.order_by(_SEVERITY.desc(), P.score.desc().nulls_last(), P.probe, R.id)
        count = sa.select(sa.func.count()).select_from(_joined()).where(*clauses)
        with session.reading(self.engine) as connection:
            total = int(connection.execute(count).scalar_one())
            rows = connection.execute(query.offset(max(0, offset)).limit(limit)).mappings()
            return tuple(_failure(dict(row)) for row in rows), total

    def save_detections(
        self, where: RunFilter, detectors: Sequence[str], found: Sequence[tuple[str, ProbeResult]]
    ) -> None:
        """See `FindingSink.save_detections`."""
        moment = now()
        rows: list[dict[str, Any]] = []
        for run_id, result in found:
            key = parse_id(run_id)
            if key is not None:
                rows += findings.rows_of(key, (result,), moment)["probe_results"]

        def write(connection: Connection) -> None:
            mine = sa.select(R.id).where(*filters.clauses(where))
            connection.execute(sa.delete(probe_results).where(P.probe.in_(detectors), P.run_id.in_(mine)))
            bulk.insert(connection, probe_results, rows)

        self._transaction(write)

    def triage(self, run_id: str, detector: str, status: str, note: str, tags: Sequence[str], who: str) -> None:
        """See `FindingSink.triage`."""
        if status not in STATUSES:
            raise InputError(f"a failure is {', '.join(STATUSES)}, not {status!r}.", "triage")
        key = parse_id(run_id)

        def write(connection: Connection) -> None:
            if connection.execute(sa.select(R.id).where(R.id == key)).first() is None:
                raise UnknownNameError("run", run_id, (), "It is not in this store.")
            row = {"id": new_id(), "run_id": key, "probe": detector, "status": status, "note": note,
                   "tags": list(tags), "who": who, "created_at": now()}  # fmt: skip
            bulk.insert(connection, triage, [row])

        self._transaction(write)


def _joined() -> sa.FromClause:
    """Findings with their runs and the newest judgement, where there is one."""
    judged = sa.and_(_RANKED.c.run_id == P.run_id, _RANKED.c.probe == P.probe, _RANKED.c.newest == 1)
    return probe_results.join(runs, R.id == P.run_id).outerjoin(_RANKED, judged)


def _failure(row: dict[str, Any]) -> FailureRow:
    row["run_id"] = str(row["run_id"])
    row["status"] = row["status"] or STATUSES[0]
    row["note"], row["who"] = row["note"] or "", row["who"] or ""
    row["tags"], row["triage_tags"] = tuple(row["tags"] or ()), tuple(row["triage_tags"] or ())
    return FailureRow(**row)
