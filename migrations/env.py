"""Run by Alembic. The connection comes from `storage.schema.upgrade`; there is no offline mode and no ini file."""

from __future__ import annotations

from typing import Any

from alembic import context

from headscope.storage.schema import metadata


def include_object(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Leave out what one database has on purpose: indexes of the other, and PostgreSQL's expression indexes."""
    if kind != "index":
        return True
    wanted = item.info.get("dialect", context.get_context().dialect.name)
    return wanted == context.get_context().dialect.name and not (name or "").startswith(("gin_", "expr_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=include_object,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
