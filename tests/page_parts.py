"""Stores that count or fail, and what stands on a page."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dash.development.base_component import Component
from flask.testing import FlaskClient

from headscope.analysis.errors import StorageError
from headscope.storage.repository import Store

HOST = {"Host": "127.0.0.1:8050"}


def csv_rows(client: FlaskClient, address: str) -> list[dict[str, str]]:
    """The rows of a file that a page offers."""
    answer = client.get(address, headers=HOST)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


class CountingStore:
    """Passes every call on and counts it."""

    def __init__(self, store: Store) -> None:
        self._store, self.calls = store, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if callable(value):
            self.calls[name] += 1
        return value


class BrokenStore:
    """A store that cannot be read."""

    url = "/data/broken.duckdb"

    def __getattr__(self, name: str) -> Any:
        def fail(*_args: Any, **_kwargs: Any) -> Any:
            raise StorageError("the file is damaged: restore it from a backup.")

        return fail


def text_of(node: Any) -> str:
    if isinstance(node, Component):
        return text_of(getattr(node, "children", None))
    if isinstance(node, (list, tuple)):
        return " ".join(filter(None, map(text_of, node)))
    return "" if node is None else str(node)


def hrefs(node: Any) -> list[str]:
    if isinstance(node, (list, tuple)):
        return [href for child in node for href in hrefs(child)]
    if not isinstance(node, Component):
        return []
    own = [node.href] if getattr(node, "href", None) else []
    return own + hrefs(getattr(node, "children", None))


def walk(node: Any) -> Iterator[Component]:
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from walk(child)
    elif isinstance(node, Component):
        yield node
        yield from walk(getattr(node, "children", None))


def grid_request(**changes: Any) -> dict[str, Any]:
    return {"startRow": 0, "endRow": 100, "filterModel": {}, "sortModel": [], **changes}
