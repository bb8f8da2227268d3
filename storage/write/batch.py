"""The rows of one write: results as runs with everything that hangs on them, or copies of runs that are there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types import ModelInfo, PromptSet, RunResult, RunStatus, canonical_hash
from headscope.storage import schema
from headscope.storage.columns import arrays
from headscope.storage.columns import findings as finding_rows
from headscope.storage.columns import runs as run_columns
from headscope.storage.columns.head_sums import Scope
from headscope.storage.ids import new_id, parse_id
from headscope.storage.rows import ArtifactRow
from headscope.storage.sql import bulk
from headscope.storage.write import head_sums, head_values, references

SMALL_TABLES = ("artifacts", "failures", *finding_rows.TABLES)
RUN_TABLES = ("run_details", *arrays.ARRAY_TABLES, *SMALL_TABLES, "head_values")


def now() -> datetime:
    """This moment as the store keeps it: UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class Batch:
    """Runs of one job for one transaction, collected and then written table by table."""

    def __init__(
        self, connection: Connection, job: Mapping[str, Any], prompt_set: PromptSet, *, replace_old: bool = False
    ) -> None:
        self._connection, self._job, self._set, self._replaces = connection, job, prompt_set, replace_old
        self._moment = now()
        self._prompts = references.PromptIds(None, {})
        self._there: dict[tuple[str, str], tuple[UUID, str]] = {}
        self._capsules: dict[str, UUID] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._less: set[Scope] = set()

    def save(
        self,
        info: ModelInfo,
        analyses: Sequence[str],
        seed: int,
        results: Sequence[RunResult],
        files: Sequence[ArtifactRow | None],
    ) -> list[UUID]:
        """Write results; one that this experiment already has whole is left alone and its id returned, or with
        `replace_old` written again under that id."""
        model_id, model = references.model_id(self._connection, info, self._moment)
        shared = {"model_id": model_id, "model": model, "analyses": list(analyses), "seed": seed}
        self._look([(result.prompt.id, result.result_key) for result in results])
        self._mend({r.result_key: file for r, file in zip(results, files, strict=True) if file is not None})
        ids = [self._add(result, file, shared) for result, file in zip(results, files, strict=True)]
        self._flush()
        return ids

    def _mend(self, files: Mapping[str, ArtifactRow]) -> None:
        """Runs that are there with these result keys name the new files: theirs were missing, or nothing would have
        been computed."""
        if not files:
            return
        details, table = schema.run_details.c, schema.artifacts
        there = sa.select(details.run_id, details.result_key).where(details.result_key.in_(files))
        for run_id, result_key in self._connection.execute(there).all():
            file = files[result_key]
            values = {"key": file.key, "encoding": file.encoding, "bytes": file.bytes, "sha256": file.sha256}
            mine = sa.update(table).where(table.c.run_id == run_id, table.c.kind == file.kind)
            self._connection.execute(mine.values(values))

    def _add(self, result: RunResult, file: ArtifactRow | None, shared: Mapping[str, Any]) -> UUID:
        kept = self._replace(result.prompt.id, result.result_key)
        if kept is not None and not self._replaces:
            return kept
        if kept is not None:
            self._delete(kept)
        run_id = kept or new_id()
        row = (
            self._placement(run_id, result.prompt.id)
            | run_columns.prompt_columns(result)
            | run_columns.measured_columns(result)
        )
        row |= {**shared, "capsule_id": self._capsule(result.capsule)}
        self._put_run(row)
        for table, rows in arrays.array_rows(run_id, result).items():
            self._rows.setdefault(table, []).extend(rows)
        if file is not None:
            self._put("artifacts", run_columns.artifact_row(run_id, file, self._moment))
        for failure in run_columns.failures(result):
            self._put("failures", {"id": new_id(), "run_id": run_id, "created_at": self._moment, **failure})
        for table, rows in finding_rows.rows_of(run_id, result.findings, self._moment).items():
            self._rows.setdefault(table, []).extend(rows)
        return run_id

    def copy(self, hits: Mapping[str, str]) -> int:
        """Copies of runs (prompt id -> run id) for this experiment, arrays by INSERT SELECT."""
        ids = {key: parse_id(run_id) for key, run_id in hits.items()}
        sources = self._sources({found for found in ids.values() if found is not None})
        by_key = {prompt.id: prompt for prompt in self._set.prompts}
        there = {key: sources[found] for key, found in ids.items() if found in sources}
        self._look([(key, source["result_key"]) for key, source in there.items()])
        copies: dict[UUID, list[UUID]] = {}
        for key, source in there.items():
            if self._replace(key, source["result_key"]) is None:
                run_id, prompt = new_id(), by_key[key]
                copies.setdefault(source["id"], []).append(run_id)
                self._put_run(source | self._placement(run_id, key) | run_columns.copied_columns(source, prompt))
        self._copy_rows(copies)
        made = [run_id for ids_of_one in copies.values() for run_id in ids_of_one]
        self._flush(made)
        return len(there)

    def _sources(self, ids: Collection[UUID]) -> dict[UUID | None, dict[str, Any]]:
        runs, details = schema.runs, schema.run_details
        columns = [column for column in details.columns if column.name != "run_id"]
        query = sa.select(runs, *columns).join(details, details.c.run_id == runs.c.id).where(runs.c.id.in_(ids))
        return {row["id"]: {str(name): row[name] for name in row} for row in self._connection.execute(query).mappings()}

    def _flush(self, copied: Sequence[UUID] = ()) -> None:
        """Write what was collected, the arrays of `copied` runs with it, and count all of them in."""
        references.add_facets(self._connection, self._rows.get("runs", []))
        for table, rows in self._rows.items():
            bulk.insert(self._connection, schema.metadata.tables[table], rows)
        self._copy_arrays(copied)
        head_sums.rebuild(self._connection, self._less)
        head_sums.add(self._connection, self._rows, but=self._less)
        head_sums.add_stored(self._connection, copied, but=self._less)
        head_values.add(self._connection, [row["id"] for row in self._rows.get("runs", ())])
        self._rows, self._less = {}, set()

    def _put(self, table: str, row: dict[str, Any]) -> None:
        self._rows.setdefault(table, []).append(row)

    def _put_run(self, row: dict[str, Any]) -> None:
        """`row` has the columns of both tables; each takes its own."""
        row["facet_id"] = references.facet_id(row)
        self._put("runs", row)
        self._put("run_details", {"run_id": row["id"], **row})

    def _placement(self, run_id: UUID, key: str) -> dict[str, Any]:
        set_id, prompt_id = self._prompts.of(key)
        return {
            "id": run_id,
            "experiment_id": self._job["experiment_id"],
            "experiment": self._job["experiment"],
            "prompt_set_id": set_id,
            "prompt_set": self._set.name or None,
            "prompt_id": prompt_id,
            "prompt_key": key,
            "job_id": self._job["id"],
            "created_at": self._moment,
        }

    def _capsule(self, capsule: Mapping[str, Any]) -> UUID:
        content = bulk.plain(capsule)
        digest = canonical_hash(content)
        if digest not in self._capsules:
            self._capsules[digest] = references.capsule_id(self._connection, digest, content)
        return self._capsules[digest]

    def _look(self, wanted: Sequence[tuple[str, str]]) -> None:
        """See which of these (prompt key, result key) the experiment has, and make the prompts known."""
        keys = [bulk.storable(key) for key, _ in wanted]
        self._prompts = references.prompt_ids(self._connection, self._set, keys, self._moment)
        runs, details = schema.runs.c, schema.run_details.c
        query = (
            sa.select(runs.prompt_key, details.result_key, runs.id, runs.status)
            .join_from(schema.run_details, schema.runs, runs.id == details.run_id)
            .where(
                details.result_key.in_({result_key for _, result_key in wanted}),
                runs.experiment_id == self._job["experiment_id"],
                runs.prompt_set_id == self._prompts.set_id,
            )
        )
        self._there = {(key, result): (found, status) for key, result, found, status in self._connection.execute(query)}

    def _replace(self, key: str, result_key: str) -> UUID | None:
        """Make room for a run: delete this prompt's failed one; the id of a succeeded one that stays."""
        there = self._there.get((bulk.storable(key), result_key))
        if there is None:
            return None
        run_id, status = there
        if status != RunStatus.FAILED.value:
            return run_id
        self._delete(run_id)
        return None

    def _delete(self, run_id: UUID) -> None:
        self._less |= head_sums.scopes_of(self._connection, [run_id])
        delete_runs(self._connection, [run_id])

    def _copy_rows(self, copies: Mapping[UUID, Sequence[UUID]]) -> None:
        """The few small rows of a run, each with an id of its own."""
        for name in SMALL_TABLES:
            table = schema.metadata.tables[name]
            query = sa.select(table).where(table.c.run_id.in_(copies))
            for row in self._connection.execute(query).mappings():
                for run_id in copies[row["run_id"]]:
                    self._put(name, {**row, "id": new_id(), "run_id": run_id, "created_at": self._moment})

    def _copy_arrays(self, copies: Sequence[UUID]) -> None:
        details = schema.run_details.c
        for name in arrays.ARRAY_TABLES if copies else ():
            table = schema.metadata.tables[name]
            values = [details.run_id if column.name == "run_id" else column for column in table.columns]
            source = table.join(schema.run_details, details.copied_from == table.c.run_id)
            query = sa.select(*values).select_from(source).where(details.run_id.in_(copies))
            self._connection.execute(sa.insert(table).from_select([c.name for c in table.columns], query))


def delete_runs(connection: Connection, ids: Sequence[UUID]) -> None:
    """Remove runs and every row that hangs on them."""
    for name in RUN_TABLES:
        table = schema.metadata.tables[name]
        connection.execute(sa.delete(table).where(table.c.run_id.in_(ids)))
    connection.execute(sa.delete(schema.runs).where(schema.runs.c.id.in_(ids)))
