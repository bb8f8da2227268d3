"""Reading what the pages and the command line show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import RunStatus
from headscope.analysis.types.certificate import CertificateKey
from headscope.storage import schema, session
from headscope.storage.artifacts import ArtifactFolder
from headscope.storage.ids import parse_id
from headscope.storage.read import certificates, counts, facets, filters, ordered, overview
from headscope.storage.read import jobs as job_rows
from headscope.storage.read.detail import Ask, artifacts, detail, details, run_row
from headscope.storage.read.facets import Groups
from headscope.storage.rows import (
    RUN_COLUMNS,
    ExperimentRow,
    FacetCount,
    JobRow,
    Overview,
    RunDetail,
    RunFilter,
    RunRow,
    RunsPage,
    Sort,
    StoredCertificate,
)

FACETS = (*filters.FACETS, *facets.MORE)
SCANNING = {"contains", "not_contains", "starts_with", "ends_with"}
FEW = {"text", "pair_id"}
"""Columns of which a value is had by few runs, and no index finds them."""


class Reader:
    """The reading half of a store (`headscope.storage.interfaces.RunReader`); a call reads one consistent snapshot."""

    engine: Engine
    artifacts: ArtifactFolder
    _counts: counts.Counts
    _groups: counts.Counts

    def overview(self, recent: int = 10) -> Overview:
        """See `RunReader.overview`."""
        with session.reading(self.engine) as connection:
            version = counts.version(connection)
            groups = self._grouped(connection, version, RunFilter())
            summary = self._counts.get("overview", version, lambda: overview.summary(connection, groups))
            newest = _rows(connection, [], [], 0, recent)
            failed = _rows(connection, [schema.runs.c.status == RunStatus.FAILED.value], [], 0, recent)
            jobs = job_rows.unfinished(connection, recent)
            models = tuple(
                replace(row, certificate=certificates.of_model(connection, row.info)) for row in summary.models
            )  # never from memory: a model may be checked while nothing is run
        return replace(summary, models=models, recent_runs=newest, recent_failures=failed, jobs=jobs)

    def experiments(self) -> tuple[ExperimentRow, ...]:
        """See `RunReader.experiments`."""
        with session.reading(self.engine) as connection:
            version = counts.version(connection)
            groups = self._grouped(connection, version, RunFilter())
            return self._counts.get("experiments", version, lambda: overview.experiments(connection, groups))

    def runs_page(self, where: RunFilter, sort: Sequence[Sort] = (), offset: int = 0, limit: int = 100) -> RunsPage:
        """See `RunReader.runs_page`."""
        clauses = filters.clauses(where)
        filters.order(sort)
        with session.reading(self.engine) as connection:
            total, first = self._total(connection, where, clauses, sort, limit if offset == 0 else None)
            start = max(0, min(offset, total))
            limit = max(0, min(limit, total - start))
            if first is not None:
                return RunsPage(whole_rows(connection, first), total)
            if ordered.serves(connection, clauses, sort):
                return RunsPage(self._ordered(connection, sort[0], total, start, limit), total)
            if start <= total // 2:
                return RunsPage(_rows(connection, clauses, sort, start, limit), total)
            rows = _rows(connection, clauses, sort, total - start - limit, limit, backwards=True)
            return RunsPage(rows, total)

    def _ordered(self, connection: Connection, sort: Sort, total: int, start: int, limit: int) -> tuple[RunRow, ...]:
        key, version = ("without", sort.column), counts.version(connection)
        empty = self._counts.get(key, version, lambda: ordered.without(connection, sort.column))
        return whole_rows(connection, ordered.ids(connection, sort, (total - empty, empty), start, limit))

    def count(self, where: RunFilter) -> int:
        """See `RunReader.count`."""
        clauses = filters.clauses(where)
        with session.reading(self.engine) as connection:
            return self._total(connection, where, clauses, (), None)[0]

    def facets(self, where: RunFilter, columns: Sequence[str], limit: int = 50) -> Mapping[str, tuple[FacetCount, ...]]:
        """See `RunReader.facets`. Raises UnknownNameError for a column that has too many values to count."""
        for name in columns:
            if name not in FACETS:
                raise UnknownNameError("facet", name, FACETS)
        with session.reading(self.engine) as connection:
            version = counts.version(connection)
            filters.clauses(where)
            groups = self._grouped(connection, version, where)
            return {
                name: self._facet(connection, version, where, name, limit)
                if name in facets.MORE
                else groups.facet(name, facets.chosen(connection, groups, where, name), limit)
                for name in columns
            }

    def _grouped(self, connection: Connection, version: int, where: RunFilter) -> Groups:
        """The runs of a filter by their facets, its conditions on facets left out."""
        rest = facets.unticked(where)
        return self._groups.get(repr(rest), version, lambda: facets.groups(connection, rest))

    def _facet(
        self, connection: Connection, version: int, where: RunFilter, name: str, limit: int
    ) -> tuple[FacetCount, ...]:
        others = replace(where, conditions=tuple(c for c in where.conditions if c.column != name))
        clauses = filters.clauses(others)
        key = ("facet", name, repr(others), limit)
        return self._counts.get(key, version, lambda: facets.count(connection, name, clauses, limit))

    def ids_sql(self, where: RunFilter) -> str:
        """See `RunReader.ids_sql`."""
        return filters.written(where, self.engine.dialect)

    def run(self, run_id: str) -> RunDetail:
        """See `RunReader.run`."""
        with session.reading(self.engine) as connection:
            return _certified(connection, [detail(_asked(connection), run_id)])[0]

    def details(self, run_ids: Sequence[str], *, evidence: bool = True) -> tuple[RunDetail, ...]:
        """See `RunReader.details`."""
        with session.reading(self.engine) as connection:
            return _certified(connection, details(_asked(connection), run_ids, evidence=evidence))

    def runs(self, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
        """See `RunReader.runs`."""
        ids = [found for text in run_ids if (found := parse_id(text)) is not None]
        with session.reading(self.engine) as connection:
            return whole_rows(connection, ids)

    def attention(self, run_id: str) -> NDArray[np.float16] | None:
        """See `RunReader.attention`."""
        with session.reading(self.engine) as connection:
            found = artifacts(_asked(connection), run_id)
        row = next((item for item in found if item.kind == "attention"), None)
        return None if row is None else self.artifacts.get_attention(row)

    def certificate(self, key: CertificateKey) -> StoredCertificate | None:
        """See `RunReader.certificate`."""
        with session.reading(self.engine) as connection:
            return certificates.of_key(connection, key)

    def job(self, name: str) -> JobRow:
        """See `RunReader.job`."""
        with session.reading(self.engine) as connection:
            return job_rows.named(connection, name)

    def jobs(self, limit: int = 50) -> tuple[JobRow, ...]:
        """See `RunReader.jobs`."""
        with session.reading(self.engine) as connection:
            return job_rows.newest(connection, limit)

    def unfinished_jobs(self, limit: int = 50) -> tuple[JobRow, ...]:
        """See `RunReader.unfinished_jobs`."""
        with session.reading(self.engine) as connection:
            return job_rows.unfinished(connection, limit)

    def _total(
        self,
        connection: Connection,
        where: RunFilter,
        clauses: Sequence[filters.Clause],
        sort: Sequence[Sort],
        first: int | None,
    ) -> tuple[int, list[UUID] | None]:
        """How many runs there are. Where looking for text or for a pair scans them all (PostgreSQL), the ids of the
        first page come from the same scan."""
        key, version = ("total", repr(where)), counts.version(connection)
        scans = bool(where.search.strip()) or any(
            c.op in SCANNING or (c.column in FEW and c.op in {"eq", "in"}) for c in where.conditions
        )
        if first and scans and connection.dialect.name == "postgresql" and not self._counts.has(key, version):
            query = sa.select(schema.runs.c.id, sa.func.count().over()).where(*clauses)
            rows = connection.execute(query.order_by(*filters.order(sort)).limit(first)).all()
            total = rows[0][1] if rows else 0
            self._counts.put(key, version, total)
            return total, [row[0] for row in rows]

        def count() -> int:
            rest = facets.unticked(where)
            few = any(item.column == "experiment" for item in where.conditions)  # found by an index
            if rest == RunFilter() and (
                not few or self._groups.has(repr(rest), version)
            ):  # a pass that serves menus too
                groups = self._grouped(connection, version, where)
                return groups.total(facets.chosen(connection, groups, where, ""))
            query = sa.select(sa.func.count()).select_from(schema.runs).where(*clauses)
            return int(connection.execute(query).scalar_one())

        return self._counts.get(key, version, count), None


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
    return whole_rows(connection, ids[::-1] if backwards else ids)


def whole_rows(connection: Connection, ids: Sequence[UUID]) -> tuple[RunRow, ...]:
    """The runs of these ids, in their order; ids that are not there are left out."""
    rows = connection.execute(_select_rows().where(schema.runs.c.id.in_(ids))).mappings()
    by_id = {row["id"]: run_row(row) for row in rows}
    return tuple(by_id[key] for key in ids if key in by_id)


def _certified(connection: Connection, found: Sequence[RunDetail]) -> tuple[RunDetail, ...]:
    """With the certificates of their models, each looked for once."""
    of = [(run.model, device if isinstance(device := run.capsule.get("device"), str) else "") for run in found]
    known = {key: certificates.of_model(connection, *key) for key in dict.fromkeys(of)}
    return tuple(replace(run, certificate=known[key]) for run, key in zip(found, of, strict=True))


def _asked(connection: Connection) -> Ask:
    return lambda statement: connection.execute(statement).mappings().all()
