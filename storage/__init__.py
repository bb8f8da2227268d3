"""Everything that speaks SQL: schema, writing, queries, read-only SQL, exports, artifacts.

In a notebook: `import storage; store = storage.open("headscope.duckdb"); store.runs(model="gpt2")` (docs/sql.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from headscope.storage.notebook import Notebook

__all__ = ["open"]


def open(url: str, frame: Literal["pandas", "arrow"] = "pandas") -> Notebook:  # noqa: A001 - storage.open(...)
    """A handle that reads a store into pandas frames or Arrow tables (`headscope.storage.notebook.Notebook`).

    A DuckDB file that `headscope serve` holds is read through that server. Raises InputError for a wrong address,
    StorageError when there is no store, or another process holds it.
    """
    from headscope.storage.notebook import Notebook

    return Notebook(url, frame)
