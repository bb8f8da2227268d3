"""What failure detectors found, and what people made of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types.findings import PASSED, SEVERITIES, ProbeResult
from headscope.storage import session
from headscope.storage.columns import findings
from headscope.storage.ids import new_id, parse_id
from headscope.storage.read import filters
from headscope.storage.rows import (
    DetectorCount,
    FacetCount,
    FailureFacets,
    FailureFilter,
    FailureRow,
    PassingRun,
    RunFilter,
)
from headscope.storage.schema import probe_results, run_facets, runs, triage
from headscope.storage.sql import bulk
from headscope.storage.sql.expressions import HasElement
from headscope.storage.write.batch import now

P, R, T = probe_results.c, runs.c, triage.c
STATUSES = ("open", "confirmed", "dismissed")
CHUNK = 2_000
_NEWEST = sa.func.row_number().over(partition_by=(T.run_id, T.probe), order_by=(T.created_at.desc(), T.id.desc()))
_RANKED = sa.select(triage, _NEWEST.label("newest")).subquery()
_OF_FINDING = sa.and_(_RANKED.c.run_id == P.run_id, _RANKED.c.probe == P.probe, _RANKED.c.newest == 1)
FOUND = probe_results.join(runs, R.id == P.run_id)
_SEVERITY = sa.case({name: rank for rank, name in enumerate(SEVERITIES)}, value=P.label, else_=-1)


class FailureStore:
    """The part of the store about failures: `RunReader.failures_page`, `FindingSink`."""

    engine: Engine
    _transaction: Callable[[Callable[[Connection], Any]], Any]
    _write_lock: threading.Lock

    def detector_counts(self, where: RunFilter) -> tuple[DetectorCount, ...]:
        """See `RunReader.detector_counts`."""
        status = sa.func.coalesce(_RANKED.c.status, STATUSES[0])
        query = sa.select(P.probe, P.label, status, sa.func.count()).select_from(_judged(FOUND))
        query = query.where(*filters.clauses(where), P.label.in_((PASSED, *SEVERITIES)))
        with session.reading(self.engine) as connection:
            rows = connection.execute(query.group_by(P.probe, P.label, status).order_by(P.probe, P.label, status))
            return tuple(DetectorCount(*row) for row in rows)

    def failures_page(
        self, which: FailureFilter, offset: int = 0, limit: int = 50
    ) -> tuple[tuple[FailureRow, ...], int]:
        """See `RunReader.failures_page`."""
        judged, clauses = _RANKED.c, _clauses(which)
        order = (_SEVERITY.desc(), P.score.desc().nulls_last(), P.probe, R.id)
        chosen = sa.select(P.id, sa.func.count().over().label("total"))  # counted as they are found: not once more
        chosen = chosen.select_from(_joined(which)).where(*clauses).order_by(*order)
        of_page = chosen.offset(max(0, offset)).limit(limit).subquery()  # texts and evidence are not sorted along
        of_run = ("model", "experiment", "prompt_set", "prompt_key", "text", "target", "foil", "pair_id", "tags")
        shown = [R.id.label("run_id"), R.group_name.label("group"), *(R[name] for name in of_run),
                 P.probe.label("detector"), P.label.label("severity"), P.score, P.evidence,
                 judged.status, judged.note, judged.tags.label("triage_tags"), judged.who,
                 judged.created_at.label("judged_at")]  # fmt: skip
        joined = _judged(of_page.join(probe_results, P.id == of_page.c.id).join(runs, R.id == P.run_id))
        count = sa.select(sa.func.count()).select_from(_joined(which)).where(*clauses)
        query = sa.select(of_page.c.total, *shown).select_from(joined).order_by(*order)
        with session.reading(self.engine) as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
            totals = [int(row.pop("total")) for row in rows]
            total = totals[0] if totals else int(connection.execute(count).scalar_one())
            return tuple(map(_failure, rows)), total

    def failure_facets(self, which: FailureFilter) -> FailureFacets:
        """See `RunReader.failure_facets`."""
        untagged = replace(
            which, where=replace(which.where, conditions=tuple(c for c in which.where.conditions if c.column != "tags"))
        )
        with session.reading(self.engine) as connection:
            return FailureFacets(
                _tag_counts(connection, _run_tags(untagged)),
                _tag_counts(connection, _given_tags(replace(which, triage_tag=""))),
            )

    def passing_runs(self, run_id: str, detector: str, limit: int = 500) -> tuple[tuple[PassingRun, ...], int]:
        """See `RunReader.passing_runs`."""
        of_run = [R.experiment_id, R.model_id, R.prompt_set, R.pair_id]
        with session.reading(self.engine) as connection:
            mine = connection.execute(sa.select(*of_run).where(R.id == parse_id(run_id))).first()
            if mine is None:
                raise UnknownNameError("run", run_id, (), "It is not in this store.")
            same = [column.is_not_distinct_from(value) for column, value in zip(of_run[:3], mine[:3], strict=True)]
            passed = [P.run_id == R.id, P.probe == detector, P.label == PASSED, *same]
            count = sa.select(sa.func.count()).select_from(probe_results, runs).where(*passed)
            own_pair = sa.case((R.pair_id == mine.pair_id, 0), else_=1)
            query = sa.select(R.id, R.text, R.pair_id).select_from(probe_results, runs).where(*passed)
            rows = connection.execute(query.order_by(own_pair, R.id).limit(limit))
            found = tuple(PassingRun(str(row.id), row.text, row.pair_id) for row in rows)
            return found, int(connection.execute(count).scalar_one())

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


def _judged(found: sa.FromClause) -> sa.FromClause:
    """Findings with the newest judgement, where there is one."""
    return found.outerjoin(_RANKED, _OF_FINDING)


def _joined(which: FailureFilter) -> sa.FromClause:
    """What `_clauses` needs: judgements only where they are asked about."""
    return _judged(FOUND) if which.status or which.triage_tag else FOUND


def _clauses(which: FailureFilter) -> list[filters.Clause]:
    """The conditions on findings, runs and judgements."""
    judged = _RANKED.c
    clauses: list[filters.Clause] = [*filters.clauses(which.where), P.label.in_(which.severities or SEVERITIES)]
    if which.detector:
        clauses.append(P.probe == which.detector)
    if which.status:
        clauses.append(sa.func.coalesce(judged.status, STATUSES[0]) == which.status)
    if which.triage_tag:
        clauses.append(HasElement(judged.tags, which.triage_tag))
    return clauses


def _run_tags(which: FailureFilter) -> sa.Select[Any]:
    """Lists of prompts' tags, each with its failures: counted by the runs' short facet, as lists are slow to group."""
    n = sa.func.count().label("n")
    by_facet = sa.select(R.facet_id, n).select_from(_joined(which)).where(*_clauses(which)).group_by(R.facet_id)
    counted = by_facet.subquery()
    return sa.select(run_facets.c.tags, counted.c.n).join(counted, counted.c.facet_id == run_facets.c.id)


def _given_tags(which: FailureFilter) -> sa.Select[Any]:
    """Lists of tags that people gave, each with its failures."""
    tags = _RANKED.c.tags
    query = sa.select(tags, sa.func.count()).select_from(FOUND.join(_RANKED, _OF_FINDING))
    return query.where(*_clauses(which)).group_by(tags)


def _tag_counts(connection: Connection, by_list: sa.Select[Any]) -> tuple[FacetCount, ...]:
    """Failures by tag; the database counts them by whole lists, of which there are few."""
    counts: Counter[str] = Counter()
    for names, n in connection.execute(by_list):
        for name in set(names or ()):
            counts[name] += n
    return tuple(FacetCount(name, n) for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _failure(row: dict[str, Any]) -> FailureRow:
    row["run_id"] = str(row["run_id"])
    row["status"] = row["status"] or STATUSES[0]
    row["note"], row["who"] = row["note"] or "", row["who"] or ""
    row["judged_at"] = row["judged_at"] and row["judged_at"].replace(tzinfo=UTC)
    row["tags"], row["triage_tags"] = tuple(row["tags"] or ()), tuple(row["triage_tags"] or ())
    return FailureRow(**row)
