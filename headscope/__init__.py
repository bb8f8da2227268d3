"""Headscope: everything you measure inside your language models, kept and looked at together.

In a notebook: `import headscope; store = headscope.open("headscope.duckdb"); store.runs(model="gpt2")`
(docs/notebook.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from headscope.notebook.store import Store

__all__ = ["__version__", "open"]


def open(url: str, frame: Literal["pandas", "arrow"] = "pandas") -> Store:  # noqa: A001 - headscope.open(...)
    """A handle that reads a store into pandas frames or Arrow tables, and draws what pages draw
    (`headscope.notebook.store.Store`, docs/notebook.md).

    A DuckDB file that `headscope serve` holds is read through that server. Raises InputError for a wrong address,
    StorageError when there is no store, or another process holds it.
    """
    from headscope.notebook.store import Store

    return Store(url, frame)


def __getattr__(name: str) -> str:
    """`__version__`, read when it is asked for: looking through what is installed takes longer than the rest."""
    if name == "__version__":
        from importlib.metadata import version

        return version("headscope")
    raise AttributeError(f"module 'headscope' has no attribute {name!r}")
