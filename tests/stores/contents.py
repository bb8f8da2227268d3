"""All that a store holds, as JSON: said by the program that wrote it, and by later ones that must say the same."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from typing import Any

import numpy as np
import sqlalchemy as sa

from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter


def plain(value: Any) -> Any:
    """As JSON: ids and moments as text, what JSON cannot say of a float as text too."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def contents(url: str) -> dict[str, Any]:
    """Every row of every table and view, and every run and job as the program of then read them."""
    with Store.open(url) as store, store.engine.connect() as connection:
        inspector = sa.inspect(store.engine)
        names = sorted({*inspector.get_table_names(), *inspector.get_view_names()} - {"alembic_version"})
        rows = {}
        for name in names:
            found = [plain(dict(row)) for row in connection.execute(sa.text(f"SELECT * FROM {name}")).mappings()]
            rows[name] = sorted(found, key=lambda row: json.dumps(row, sort_keys=True))
        page = store.runs_page(RunFilter(), limit=100).rows
        attention = {row.id: plain(store.attention(row.id)) for row in page}
        runs = {row.id: plain(store.run(row.id)) for row in page}
        assert store.check() == []
        return {
            "rows": rows,
            "runs": runs,
            "jobs": plain([store.job(job.id) for job in store.jobs()]),
            "attention": attention,
        }
