"""What `headscope db check --repair` mends: nothing is computed, and nothing is removed that belongs to a run."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.counts import plural
from headscope.storage import schema, session
from headscope.storage.artifacts import LOST, ArtifactFolder
from headscope.storage.read import filters
from headscope.storage.write import head_sums, head_values, integrity, references
from headscope.storage.write.batch import RUN_TABLES


def repair(engine: Engine, folder: ArtifactFolder) -> list[str]:
    """Mend each kind in transactions of its own; a line for each that something was done about."""
    return [
        *_orphans(engine),
        *_facets(engine),
        *_head_sums(engine),
        *_head_values(engine),
        *_artifacts(engine, folder),
    ]


def _orphans(engine: Engine) -> list[str]:
    removed = {}
    with session.writing(engine) as connection:
        for name in (*RUN_TABLES, *integrity.RESERVED):
            table = schema.metadata.tables[name]
            gone = sa.not_(sa.exists().where(schema.runs.c.id == table.c.run_id))
            n = connection.execute(sa.select(sa.func.count()).select_from(table).where(gone)).scalar_one()
            if n:
                connection.execute(sa.delete(table).where(gone))
                removed[name] = n
    where = ", ".join(f"{name} {n:,}" for name, n in removed.items())
    return [f"removed {plural(sum(removed.values()), 'row')} of runs that do not exist ({where})"] if removed else []


def _facets(engine: Engine) -> list[str]:
    """Rows of `run_facets` that are not what their id says go; runs get the id of their values, and its row."""
    table = schema.run_facets
    with session.writing(engine) as connection:
        rows = connection.execute(sa.select(table)).mappings().all()
        wrong = [row["id"] for row in rows if references.facet_id(dict(row)) != row["id"]]
        connection.execute(sa.delete(table).where(table.c.id.in_(wrong)))
    with session.writing(engine) as connection:  # DuckDB does not put a key in again where it was just deleted
        before = _count(connection, table)
        moved = sum(_place(connection, row) for row in _combinations(connection))
        added = _count(connection, table) - before
    if not (wrong or moved or added):
        return []
    removed = plural(len(wrong), "wrong row")
    return [f"rebuilt the facets: {removed} removed, {added:,} added, {plural(moved, 'run')} moved"]


def _head_sums(engine: Engine) -> list[str]:
    with session.writing(engine) as connection:
        wrong = head_sums.wrong(connection)
        head_sums.rebuild(connection, wrong)
    return [f"added up the heads of {plural(len(wrong), 'selection')} of runs anew"] if wrong else []


def _head_values(engine: Engine) -> list[str]:
    with session.writing(engine) as connection:
        wrong = head_values.wrong(connection)
        head_values.rebuild(connection, wrong)
    return [f"wrote the values of the heads of {plural(len(wrong), 'run')} anew"] if wrong else []


def _combinations(connection: Connection) -> list[dict[str, Any]]:
    runs = schema.runs.c
    columns = [runs.facet_id, *(runs[name] for name in filters.FACETS)]
    return [dict(row) for row in connection.execute(sa.select(*columns).distinct()).mappings()]


def _place(connection: Connection, row: dict[str, Any]) -> int:
    """See that `run_facets` has these values; how many runs did not name the row."""
    runs, right = schema.runs, references.facet_id(row)
    references.add_facets(connection, [row | {"facet_id": right}])
    if right == row["facet_id"]:
        return 0
    same = [runs.c[name].is_not_distinct_from(row[name]) for name in filters.FACETS]
    return connection.execute(
        sa.update(runs).where(runs.c.facet_id == row["facet_id"], *same).values(facet_id=right)
    ).rowcount


def _count(connection: Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _artifacts(engine: Engine, folder: ArtifactFolder) -> list[str]:
    """Rows say of their file that it is lost, or that it was found again."""
    with session.reading(engine) as connection:
        files = integrity.artifact_files(connection)
    changed = [(row, n) for row, _, n in files if row.lost != bool(integrity.fault(folder, row))]
    table = schema.artifacts
    with session.writing(engine) as connection:
        for row, _ in changed:
            marked = f"{LOST}{row.encoding}"
            before, after = (marked, row.encoding) if row.lost else (row.encoding, marked)
            mine = sa.update(table).where(table.c.key == row.key, table.c.encoding == before)
            connection.execute(mine.values(encoding=after))
    lost, found = ([item for item in changed if item[0].lost is was] for was in (False, True))
    runs = sum(n for _, n in lost)
    of = f"{plural(len(lost), 'artifact')} of {plural(runs, 'run')}"
    said = f"marked {of} as lost: the same `headscope run` computes what is lost again"
    return [*([said] if lost else []), *([f"found {plural(len(found), 'lost artifact')} again"] if found else [])]
