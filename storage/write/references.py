"""Rows that runs refer to, each kept once: models, experiments, prompt sets, capsules. Safe with other writers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from headscope.analysis.types import ModelInfo, Prompt, PromptSet, canonical_hash
from headscope.storage import schema
from headscope.storage.columns.models import MODEL_COLUMNS
from headscope.storage.ids import new_id
from headscope.storage.sql import bulk


def _once(
    connection: Connection, table: sa.Table, key: Mapping[str, Any], rest: Mapping[str, Any]
) -> tuple[UUID, bool]:
    """The id of the row with this unique key, inserted when there was none; whether it is new."""
    same = [table.c[name] == value for name, value in key.items()]
    found = connection.execute(sa.select(table.c.id).where(*same)).scalar_one_or_none()
    if found is not None:
        return found, False
    made = new_id()
    insert = postgresql.insert(table).values(id=made, **key, **rest).on_conflict_do_nothing(index_elements=list(key))
    connection.execute(insert)
    kept: UUID = connection.execute(sa.select(table.c.id).where(*same)).scalar_one()
    return kept, kept == made


def experiment_id(connection: Connection, name: str, description: str, moment: datetime) -> UUID:
    """The experiment of this name, made when there is none; a description is never overwritten."""
    rest = {"description": bulk.storable(description), "created_at": moment}
    return _once(connection, schema.experiments, {"name": bulk.storable(name)}, rest)[0]


def model_id(connection: Connection, info: ModelInfo, moment: datetime) -> tuple[UUID, str]:
    """Id and stored name of these weights: under another name they stay the model they were."""
    ref = info.ref
    key = {
        "weights_sha256": ref.weights_sha256,
        "tokenizer_sha256": info.tokenizer_sha256,
        "backend": ref.backend,
        "dtype": ref.dtype,
    }
    rest = {name: getattr(info, name) for name in MODEL_COLUMNS if name not in key}
    rest |= {"name": ref.name, "revision": ref.revision, "created_at": moment}
    found, is_new = _once(connection, schema.models, key, rest)
    if is_new:
        return found, ref.name
    models = schema.models.c
    return found, str(connection.execute(sa.select(models.name).where(models.id == found)).scalar_one())


def capsule_id(connection: Connection, sha256: str, content: Mapping[str, Any]) -> UUID:
    """The capsule with this content; runs of one batch share one."""
    return _once(connection, schema.capsules, {"sha256": sha256}, {"content": content})[0]


def facet_id(row: Mapping[str, Any]) -> int:
    """Id in `run_facets` of a run's facet values: the first 64 bits of their sha256, so that no writer has to ask."""
    values = [row.get(name) for name in ("model", "prompt_set", "experiment", "status", "error_kind")]
    digest = canonical_hash(bulk.plain([*values, list(row["tags"])]))
    return int.from_bytes(bytes.fromhex(digest[:16]), signed=True)


def add_facets(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make sure that `run_facets` has the values of these rows of `runs`."""
    table = schema.run_facets
    wanted = {row["facet_id"]: row for row in rows}
    there = set(connection.execute(sa.select(table.c.id).where(table.c.id.in_(wanted))).scalars())
    names = [column.name for column in table.columns if column.name != "id"]
    fresh = [
        {"id": found} | {name: bulk.plain(wanted[found].get(name)) for name in names}
        for found in sorted(wanted.keys() - there)
    ]
    if fresh:
        connection.execute(postgresql.insert(table).on_conflict_do_nothing(index_elements=["id"]), fresh)


@dataclass(frozen=True, slots=True)
class PromptIds:
    """Ids of a stored prompt set and of some of its prompts."""

    set_id: UUID | None
    prompts: Mapping[str, UUID]

    def of(self, key: str) -> tuple[UUID | None, UUID | None]:
        """Set and prompt id of a prompt's key."""
        return self.set_id, self.prompts.get(bulk.storable(key))


def prompt_ids(connection: Connection, prompt_set: PromptSet, keys: Sequence[str], moment: datetime) -> PromptIds:
    """Store a prompt set with all its prompts, once per content and version; ids of the prompts with these keys.

    A set without a name is not kept.
    """
    if not prompt_set.name:
        return PromptIds(None, {})
    key = {"name": prompt_set.name, "version": prompt_set.version, "sha256": prompt_set.sha256}
    rest: dict[str, Any] = {name: bulk.storable(getattr(prompt_set, name)) for name in ("licence", "purpose", "source")}
    rest |= {"n_prompts": len(prompt_set.prompts), "created_at": moment}
    set_id, is_new = _once(connection, schema.prompt_sets, key, rest)
    if is_new:
        bulk.insert(connection, schema.prompts, [_prompt_row(set_id, i, p) for i, p in enumerate(prompt_set.prompts)])
    prompts = schema.prompts.c
    query = sa.select(prompts.prompt_key, prompts.id).where(
        prompts.prompt_set_id == set_id, prompts.prompt_key.in_(keys)
    )
    return PromptIds(set_id, dict(connection.execute(query).tuples().all()))


def _prompt_row(set_id: UUID, ordinal: int, prompt: Prompt) -> dict[str, Any]:
    return {
        "id": new_id(),
        "prompt_set_id": set_id,
        "ordinal": ordinal,
        "prompt_key": prompt.id,
        "text": prompt.text,
        "target": prompt.target,
        "foil": prompt.foil,
        "group_name": prompt.group,
        "pair_id": prompt.pair_id,
        "tags": list(prompt.tags),
        "invalid": prompt.invalid,
    }
