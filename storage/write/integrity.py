"""What `headscope db check` looks for; databases keep no foreign keys here, so this does."""

from __future__ import annotations

import math
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.counts import plural
from headscope.analysis.errors import StorageError
from headscope.analysis.types import HEAD_STATS, LAYER_STATS, RunStatus
from headscope.storage import schema
from headscope.storage.artifacts import COLUMNS, ArtifactFolder, row_of
from headscope.storage.columns.attributions import CURVES, MASKED_CURVES
from headscope.storage.read import filters
from headscope.storage.rows import ArtifactRow
from headscope.storage.write import head_sums, head_values
from headscope.storage.write.batch import RUN_TABLES

MOST = 10_000  # lines from one query
RESERVED = ("annotations", "triage")
TRACE = ("token_ids", "tokens", "char_starts", "char_ends", "words", "special", "logprobs", "ranks", "entropies")
CANDIDATES = ("candidate_ids", "candidate_tokens", "candidate_logprobs")
LENS = ("lens_token_ids", "lens_tokens", "lens_probs", "lens_entropies")


def problems(connection: Connection, folder: ArtifactFolder) -> dict[str, list[str]]:
    """Lines about every problem found, by what kind it is; empty when the store is whole."""
    found = {
        "orphaned rows": _orphans(connection),
        "references to what is not there": _missing_parents(connection),
        "runs that filters and counts miss": _facets(connection),
        "runs with parts missing": _unmeasured(connection),
        "arrays of the wrong length": _lengths(connection),
        "sums over heads that are not those of the runs": _head_sums(connection),
        "values of heads that are not those of the runs": _head_values(connection),
        "checks of models with rows missing": _certificates(connection),
        "artifacts missing or damaged": _artifacts(connection, folder),
    }
    return {kind: lines for kind, lines in found.items() if lines}


def _orphans(connection: Connection) -> list[str]:
    found = []
    for name in (*RUN_TABLES, *RESERVED):
        table = schema.metadata.tables[name]
        here = sa.exists().where(schema.runs.c.id == table.c.run_id)
        query = sa.select(table.c.run_id).where(sa.not_(here)).distinct().limit(MOST)
        found += [
            f"{name}: rows of run {run_id}, which does not exist" for run_id in connection.execute(query).scalars()
        ]
    return found


def _missing_parents(connection: Connection) -> list[str]:
    found, runs, details = [], schema.runs.c, schema.run_details.c
    parents = (
        (runs.id, runs.experiment_id, schema.experiments),
        (runs.id, runs.model_id, schema.models),
        (runs.id, runs.prompt_set_id, schema.prompt_sets),
        (details.run_id, details.prompt_id, schema.prompts),
        (details.run_id, details.job_id, schema.jobs),
        (details.run_id, details.capsule_id, schema.capsules),
    )
    for child, column, parent in parents:
        here = sa.exists().where(parent.c.id == column)
        query = sa.select(child, column).where(column.isnot(None), sa.not_(here)).limit(MOST)
        found += [f"run {run_id} has {column.name} {key}, which is not in {parent.name}"
                  for run_id, key in connection.execute(query)]  # fmt: skip
    return found


def _facets(connection: Connection) -> list[str]:
    runs, facets = schema.runs.c, schema.run_facets.c
    same = [runs[name].is_not_distinct_from(facets[name]) for name in filters.FACETS]
    query = sa.select(runs.id).outerjoin_from(schema.runs, schema.run_facets, facets.id == runs.facet_id)
    wrong = connection.execute(query.where(sa.or_(facets.id.is_(None), sa.not_(sa.and_(*same)))).limit(MOST)).scalars()
    return [f"run {run_id} has other values than its row of run_facets: filters and counts miss it" for run_id in wrong]


def _unmeasured(connection: Connection) -> list[str]:
    runs = schema.runs.c
    found = []
    for table, told in ((schema.run_details, "details"), (schema.token_traces, "token trace")):
        here = sa.exists().where(table.c.run_id == runs.id)
        query = sa.select(runs.id).where(runs.status == RunStatus.SUCCEEDED.value, sa.not_(here)).limit(MOST)
        found += [f"run {run_id} succeeded but has no {told}" for run_id in connection.execute(query).scalars()]
    return found


def _head_sums(connection: Connection) -> list[str]:
    return [
        f"head_sums of experiment {scope.experiment_id}, model {scope.model_id}, prompt set {scope.prompt_set_id} are "
        "not what its runs add up to"
        for scope in head_sums.wrong(connection)
    ]


def _head_values(connection: Connection) -> list[str]:
    return [f"head_values of run {run_id} are not what its arrays hold" for run_id in head_values.wrong(connection)]


def _certificates(connection: Connection) -> list[str]:
    table = schema.model_checks.c
    n = sa.func.count()
    query = sa.select(table.id, sa.func.min(table.model), n, sa.func.max(table.n_rows)).group_by(table.id)
    wrong = connection.execute(query.having(n != sa.func.max(table.n_rows)).limit(MOST))
    return [f"model_checks: the check {key} of {model} has {rows} of {wanted} rows: check the model again"
            for key, model, rows, wanted in wrong]  # fmt: skip


def _lengths(connection: Connection) -> list[str]:
    found = []
    for table, dimensions, columns in (
        (schema.token_traces, ("n_tokens",), TRACE),
        (schema.token_traces, ("n_tokens", "n_candidates"), CANDIDATES),
        (schema.continuations, ("n_tokens",), ("token_ids", "tokens", "logprobs")),
        (schema.head_summaries, ("n_layers", "n_heads"), HEAD_STATS),
        (schema.attribution_heads, ("n_layers", "n_heads"), ("scores",)),
        (schema.layer_summaries, ("n_layers",), LAYER_STATS),
        (schema.layer_summaries, ("n_layers", "n_positions"), ("residual_norms", *LENS)),
    ):
        expected: sa.ColumnElement[Any] = table.c[dimensions[0]]
        for name in dimensions[1:]:
            expected = expected * table.c[name]
        for name in columns:
            length = _length(table.c[name])
            query = sa.select(table.c.run_id, length, expected)
            query = query.where(table.c[name].isnot(None), length != expected).limit(MOST)
            found += [f"{table.name}.{name} of run {run_id} has {plural(n, 'element')}, its dimensions say {wanted}"
                      for run_id, n, wanted in connection.execute(query)]  # fmt: skip
    return found + _attribution_lengths(connection)


def _length(array: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Elements of an array; `array_length` of an empty one is NULL on PostgreSQL."""
    return sa.func.coalesce(sa.func.array_length(array, 1), 0)


def _attribution_lengths(connection: Connection) -> list[str]:
    table = schema.attributions.c
    scores, layers = _length(table.scores).label("n"), _length(table.layer_scores).label("n_layer_scores")
    columns = (table.run_id, table.method, table.shape, scores, table.layer_shape, layers)
    found = []
    for run_id, method, *arrays in connection.execution_options(stream_results=True).execute(sa.select(*columns)):
        for name, shape, n in (("scores", *arrays[:2]), ("layer_scores", *arrays[2:])):
            expected = math.prod(shape) if shape is not None else 0
            if expected != n:
                place = f"attributions.{name} of run {run_id}, {method},"
                found.append(f"{place} has {plural(n, 'element')}, its shape says {expected}")
    return found[:MOST] + _curve_lengths(connection)


def _curve_lengths(connection: Connection) -> list[str]:
    receipts, curves, found = schema.attribution_receipts, schema.removal_curves, []
    same = sa.and_(curves.c.run_id == receipts.c.run_id, curves.c.ordinal == receipts.c.ordinal)
    expected = _length(receipts.c.fractions)
    for table, source, names in (
        (receipts, receipts, CURVES),
        (curves, curves.join(receipts, same), MASKED_CURVES),
    ):
        for name in names:
            length = _length(table.c[name])
            query = sa.select(receipts.c.run_id, receipts.c.method, length, expected).select_from(source)
            found += [
                f"{table.name}.{name} of run {run_id}, {method}, has {plural(n, 'element')} for "
                f"{plural(wanted, 'fraction')}"
                for run_id, method, n, wanted in connection.execute(query.where(length != expected).limit(MOST))
            ]
    alone = sa.select(curves.c.run_id, curves.c.masking).where(sa.not_(sa.exists().where(same))).limit(MOST)
    return found + [f"removal_curves of run {run_id} under {masking} belong to no receipt"
                    for run_id, masking in connection.execute(alone)]  # fmt: skip


def _artifacts(connection: Connection, folder: ArtifactFolder) -> list[str]:
    return [
        f"artifacts: {n} {'run names' if n == 1 else 'runs name'} it, for one {run_id}: {said}"
        for row, run_id, n in artifact_files(connection)
        if not row.lost and (said := fault(folder, row))
    ]


def artifact_files(connection: Connection) -> list[tuple[ArtifactRow, str, int]]:
    """Every file that rows name, with a run that does and how many do."""
    table = schema.artifacts.c
    named = [table[name] for name in COLUMNS]
    query = sa.select(*named, sa.func.min(sa.cast(table.run_id, sa.String)), sa.func.count())
    rows = connection.execute(query.group_by(*named).order_by(table.key)).all()
    return [(row_of(dict(zip(COLUMNS, row, strict=False))), row[-2], row[-1]) for row in rows]


def fault(folder: ArtifactFolder, row: ArtifactRow) -> str:
    """What is wrong with a file, "" when it is whole."""
    try:
        folder.read(row)
    except StorageError as error:
        return str(error)
    return ""
