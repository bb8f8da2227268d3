"""What the overview page counts."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.analysis.types import RunStatus
from headscope.storage import schema
from headscope.storage.columns.models import model_of
from headscope.storage.rows import ExperimentRow, ModelRow, Overview, PromptSetRow


def summary(connection: Connection) -> Overview:
    """Everything of an Overview but its recent runs, from one pass over `runs`."""
    runs = schema.runs.c
    keys = (runs.experiment_id, runs.model_id, runs.model, runs.prompt_set_id, runs.status, runs.error_kind)
    query = sa.select(*keys, sa.func.count().label("n"), sa.func.max(runs.created_at).label("last")).group_by(*keys)
    groups = connection.execute(query).mappings().all()
    return Overview(
        status_counts=_sums(groups, "status"),
        experiments=_experiments(connection, groups),
        models=_models(connection, groups),
        prompt_sets=_prompt_sets(connection, groups),
        recent_runs=(),
        recent_failures=(),
        failure_kinds=_sums([group for group in groups if group["status"] == RunStatus.FAILED.value], "error_kind"),
    )


def _sums(groups: Any, key: str) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for group in groups:
        name = "unknown" if group[key] is None else group[key]
        found[name] = found.get(name, 0) + group["n"]
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _experiments(connection: Connection, groups: Any) -> tuple[ExperimentRow, ...]:
    found = []
    experiments = schema.experiments
    for row in connection.execute(sa.select(experiments).order_by(experiments.c.id.desc())).mappings():
        mine = [group for group in groups if group["experiment_id"] == row["id"]]
        by_status = _sums(mine, "status")
        last = max((group["last"] for group in mine), default=None)
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
                models=tuple(sorted({group["model"] for group in mine})),
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
