"""The views of version 0006 with `converged` from where version 0009 keeps it, frozen."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0006 import views as v0006

CONVERGED = "CAST((a.outcome->>'converged') AS BOOLEAN) AS converged"


def definitions(dialect: str) -> dict[str, str]:
    """View name -> SELECT."""
    old = v0006.definitions(dialect)
    return {name: select.replace(v0006.CONVERGED, CONVERGED) for name, select in old.items()}


def drop() -> None:
    """Nothing may look at a table that is being changed."""
    for name in v0006.NAMES:
        op.execute(f"DROP VIEW {name}")


def create() -> None:
    """As of version 0009."""
    _create(definitions(op.get_bind().dialect.name))


def create_old() -> None:
    """As of version 0006."""
    _create(v0006.definitions(op.get_bind().dialect.name))


def _create(selects: dict[str, str]) -> None:
    for name, select in selects.items():
        op.execute(f"CREATE VIEW {name} AS {select}")
