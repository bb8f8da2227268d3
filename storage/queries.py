"""Reading what the pages and the command line show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, Engine

from analysis.errors import UnknownNameError
from analysis.types import RunStatus
from storage import arrays, catalogue, counts, filters, overview, schema, session
from storage.artifacts import ArtifactFolder
from storage.ids import parse_id
from storage.rows import (
    RUN_COLUMNS,
    ArtifactRow,
    FacetCount,
    JobRow,
    Overview,
    RunDetail,
    RunFilter,
    RunRow,
    RunsPage,
    Sort,
)

FACETS = ("model", "prompt_set", "tags", "status", "experiment", "error_kind", "group", "target")


class Reader:
    """The reading half of a store (`storage.interfaces.RunReader`); each call reads one consistent snapshot."""

    engine: Engine
    artifacts: ArtifactFolder
    _counts: counts.Counts

    def overview(self, recent: int = 10) -> Overview:
        """See `RunReader.overview`."""
        with session.reading(self.engine) as connection:
            summary = self._counts.get("overview", counts.version(connection), lambda: overview.summary(connection))
            newest = _rows(connection, [], [], 0, recent)
            failed = _rows(connection, [schema.runs.c.status == RunStatus.FAILED.value], [], 0, recent)
        return replace(summary, recent_runs=newest, recent_failures=failed)

    def runs_page(self, where: RunFilter, sort: Sequence[Sort] = (), offset: int = 0, limit: int = 100) -> RunsPage:
        """See `RunReader.runs_page`."""
        clauses = filters.clauses(where)
        filters.order(sort)
        with session.reading(self.engine) as connection:
            total = self._total(connection, where, clauses)
            start = max(0, min(offset, total))
            limit = max(0, min(limit, total - start))
            if start <= total // 2:
                return RunsPage(_rows(connection, clauses, sort, start, limit), total)
            rows = _rows(connection, clauses, sort, total - start - limit, limit, backwards=True)
            return RunsPage(rows, total)

    def facets(self, where: RunFilter, columns: Sequence[str], limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """See `RunReader.facets`. Raises UnknownNameError for a column that has too many values to count."""
        for name in columns:
            if name not in FACETS:
                raise UnknownNameError("facet", name, FACETS)
        with session.reading(self.engine) as connection:
            version = counts.version(connection)
            found = {}
            for name in columns:
                others = replace(where, conditions=tuple(c for c in where.conditions if c.column != name))
                clauses = filters.clauses(others)

                def count(name: str = name, clauses: list[filters.Clause] = clauses) -> tuple[FacetCount, ...]:
                    return _facet(connection, name, clauses, limit)

                found[name] = self._counts.get(("facet", name, repr(others), limit), version, count)
            return found

    def run(self, run_id: str) -> RunDetail:
        """See `RunReader.run`."""
        with session.reading(self.engine) as connection:
            return _detail(connection, run_id)

    def runs(self, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """See `RunReader.runs`."""
        ids = [found for text in run_ids if (found := parse_id(text)) is not None]
        with session.reading(self.engine) as connection:
            rows = connection.execute(_select_rows().where(schema.runs.c.id.in_(ids))).mappings()
            by_id = {row["id"]: _run_row(row) for row in rows}
        return tuple(by_id[key] for key in ids if key in by_id)

    def attention(self, run_id: str) -> NDArray[np.float16] | None:
        """See `RunReader.attention`."""
        with session.reading(self.engine) as connection:
            found = _artifacts(connection, run_id)
        row = next((item for item in found if item.kind == "attention"), None)
        return None if row is None else self.artifacts.get_attention(row)

    def job(self, job_id: str) -> JobRow:
        """See `RunReader.job`."""
        found = self._jobs(schema.jobs.c.id == parse_id(job_id), 1)
        if not found:
            raise UnknownNameError("job", job_id, (), "It is not in this store.")
        return found[0]

    def jobs(self, limit: int = 50) -> tuple[JobRow, ...]:
        """See `RunReader.jobs`."""
        return self._jobs(sa.true(), limit)

    def last_unfinished_job(self) -> JobRow | None:
        """See `RunReader.last_unfinished_job`."""
        found = self._jobs(schema.jobs.c.status != RunStatus.SUCCEEDED.value, 1)
        return found[0] if found else None

    def _total(self, connection: Connection, where: RunFilter, clauses: Sequence[filters.Clause]) -> int:
        def count() -> int:
            return int(
                connection.execute(sa.select(sa.func.count()).select_from(schema.runs).where(*clauses)).scalar_one()
            )

        return self._counts.get(("total", repr(where)), counts.version(connection), count)

    def _jobs(self, clause: filters.Clause, limit: int) -> tuple[JobRow, ...]:
        jobs = schema.jobs
        with session.reading(self.engine) as connection:
            rows = connection.execute(sa.select(jobs).where(clause).order_by(jobs.c.id.desc()).limit(limit)).mappings()
            return tuple(_job_row(row) for row in rows)


def _select_rows() -> sa.Select[Any]:
    return sa.select(*(filters.column(name).label(name) for name in RUN_COLUMNS))


def _rows(
    connection: Connection,
    clauses: Sequence[filters.Clause],
    sort: Sequence[Sort],
    offset: int,
    limit: int,
    *,
    backwards: bool = False,
) -> tuple[RunRow, ...]:
    """Ids first, whole rows for them after: sorting a million wide rows is what costs."""
    runs = schema.runs
    ordered = filters.order(sort, backwards=backwards)
    page = sa.select(runs.c.id).where(*clauses).order_by(*ordered).offset(offset).limit(limit)
    ids = list(connection.execute(page).scalars())
    by_id = {
        row["id"]: _run_row(row) for row in connection.execute(_select_rows().where(runs.c.id.in_(ids))).mappings()
    }
    return tuple(by_id[key] for key in (reversed(ids) if backwards else ids))


def _run_row(row: Mapping[Any, Any]) -> RunRow:
    values = {name: row[name] for name in RUN_COLUMNS}
    for name in ("id", "experiment_id", "model_id"):
        values[name] = str(values[name])
    values["status"] = RunStatus(values["status"])
    values["tags"] = tuple(values["tags"])
    values["created_at"] = utc(values["created_at"])
    return RunRow(**values)


def utc(moment: datetime) -> datetime:
    """A stored moment with its zone."""
    return moment.replace(tzinfo=UTC)


def _facet(connection: Connection, name: str, clauses: Sequence[filters.Clause], limit: int) -> tuple[FacetCount, ...]:
    key = filters.column(name)
    if isinstance(key.type, sa.ARRAY):
        elements = sa.select(sa.func.unnest(key).label("value")).where(*clauses).subquery()
        query = sa.select(elements.c.value, sa.func.count()).group_by(elements.c.value)
        value: Any = elements.c.value
    else:
        query, value = sa.select(key, sa.func.count()).where(*clauses).group_by(key), key
    rows = connection.execute(query.order_by(sa.func.count().desc(), value).limit(limit))
    return tuple(FacetCount(found, count) for found, count in rows)


def _detail(connection: Connection, run_id: str) -> RunDetail:
    runs, key = schema.runs, parse_id(run_id)
    row = connection.execute(sa.select(runs).where(runs.c.id == key)).mappings().one_or_none()
    if row is None:
        raise UnknownNameError("run", run_id, (), "It is not in this store; it may have been replaced by a newer one.")
    models, capsules = schema.models, schema.capsules
    model = connection.execute(sa.select(models).where(models.c.id == row["model_id"])).mappings().one()
    capsule = connection.execute(sa.select(capsules.c.content).where(capsules.c.id == row["capsule_id"])).scalar_one()
    found = {name: _array_rows(connection, name, key) for name in arrays.ARRAY_TABLES}
    layers = found["layer_summaries"]
    shown = {name: row["group_name" if name == "group" else name] for name in RUN_COLUMNS}
    return RunDetail(
        row=_run_row(shown),
        model=catalogue.model_of(model),
        analyses=tuple(row["analyses"]),
        seed=row["seed"],
        capsule=capsule,
        result_key=row["result_key"],
        target=arrays.target_of(row),
        trace=next(map(arrays.trace_of, found["token_traces"]), None),
        heads=next(map(arrays.heads_of, found["head_summaries"]), None),
        layers=next(map(arrays.layers_of, layers), None),
        lens=next(map(arrays.lens_of, layers), None),
        attributions=tuple(map(arrays.attribution_of, found["attributions"])),
        continuation=next(map(arrays.continuation_of, found["continuations"]), None),
        artifacts=_artifacts(connection, run_id),
    )


def _array_rows(connection: Connection, name: str, run_id: Any) -> list[Mapping[Any, Any]]:
    table = schema.metadata.tables[name]
    query = sa.select(table).where(table.c.run_id == run_id).order_by(*table.primary_key.columns)
    return list(connection.execute(query).mappings())


def _artifacts(connection: Connection, run_id: str) -> tuple[ArtifactRow, ...]:
    table = schema.artifacts.c
    query = sa.select(table.kind, table.key, table.shape, table.dtype, table.encoding, table.bytes, table.sha256)
    rows = connection.execute(query.where(table.run_id == parse_id(run_id)).order_by(table.kind)).mappings()
    return tuple(ArtifactRow(**{**row, "shape": tuple(row["shape"])}) for row in rows)


def _job_row(row: Mapping[Any, Any]) -> JobRow:
    finished = row["finished_at"]
    names = ("experiment", "model", "total", "done", "failed", "cached", "error", "spec")
    return JobRow(
        id=str(row["id"]),
        status=RunStatus(row["status"]),
        created_at=utc(row["created_at"]),
        finished_at=None if finished is None else utc(finished),
        **{name: row[name] for name in names},
    )
