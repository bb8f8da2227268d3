"""What the overview page counts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types import RunStatus
from headscope.storage import schema
from headscope.storage.columns.models import model_of
from headscope.storage.read.facets import Groups
from headscope.storage.rows import ExperimentRow, FacetCount, ModelRow, Overview, PromptSetRow

ALL = sys.maxsize


def summary(connection: Connection, groups: Groups) -> Overview:
    """Everything of an Overview but its recent runs; `groups`: all runs."""
    runs = schema.runs.c
    keys = (runs.model_id, runs.prompt_set_id)
    used = connection.execute(sa.select(*keys, sa.func.count().label("n")).group_by(*keys)).mappings().all()
    failed = groups.having("status", RunStatus.FAILED.value)
    return Overview(
        status_counts=_named(groups.facet("status", None, ALL)),
        experiments=experiments(connection, groups),
        models=_models(connection, used),
        prompt_sets=_prompt_sets(connection, used),
        recent_runs=(),
        recent_failures=(),
        failure_kinds=_named(groups.facet("error_kind", failed, ALL)),
    )


def _named(found: Sequence[FacetCount]) -> dict[str, int]:
    return {item.value or "unknown": item.count for item in found}


def _sums(groups: Any, key: str) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for group in groups:
        found[group[key]] = found.get(group[key], 0) + group["n"]
    return found


def experiments(connection: Connection, groups: Groups) -> tuple[ExperimentRow, ...]:
    """See `RunReader.experiments`; `groups`: all runs."""
    found, named = [], schema.experiments
    for row in connection.execute(sa.select(named).order_by(named.c.id.desc())).mappings():
        mine = groups.having("experiment", row["name"])
        by_status = {item.value: item.count for item in groups.facet("status", mine, ALL)}
        last = groups.last[mine].max().item() if mine.any() else None
        found.append(
            ExperimentRow(
                id=str(row["id"]),
                name=row["name"],
                description=row["description"],
                created_at=row["created_at"].replace(tzinfo=UTC),
                last_run_at=None if last is None else last.replace(tzinfo=UTC),
                n_runs=sum(by_status.values()),
                n_succeeded=by_status.get(RunStatus.SUCCEEDED.value, 0),
                n_failed=by_status.get(RunStatus.FAILED.value, 0),
                models=tuple(sorted(str(item.value) for item in groups.facet("model", mine, ALL))),
            )
        )
    return tuple(found)


def _models(connection: Connection, groups: Any) -> tuple[ModelRow, ...]:
    models, used = schema.models, _sums(groups, "model_id")
    rows = connection.execute(sa.select(models).order_by(models.c.name, models.c.id)).mappings()
    return tuple(ModelRow(str(row["id"]), model_of(row), used.get(row["id"], 0)) for row in rows)


def _prompt_sets(connection: Connection, groups: Any) -> tuple[PromptSetRow, ...]:
    sets, used = schema.prompt_sets, _sums(groups, "prompt_set_id")
    names = ("name", "version", "licence", "purpose", "sha256", "n_prompts")
    rows = connection.execute(sa.select(sets).order_by(sets.c.name, sets.c.id)).mappings()
    return tuple(
        PromptSetRow(id=str(row["id"]), n_runs=used.get(row["id"], 0), **{name: row[name] for name in names})
        for row in rows
    )
