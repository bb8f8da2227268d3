"""Tables as files: a page's query, refused where it holds what the page does not know, and the answer as csv."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from flask import Response, request

from headscope.analysis.errors import InputError
from headscope.dashboard.link_state import QueryState

Q = TypeVar("Q", bound=QueryState)
MIMETYPE = "text/csv; charset=utf-8"


def asked(page: type[Q], search: str | None = None) -> Q:
    """The state in the address, or in `search` of it. Raises InputError for a value that the page would leave out."""
    query = page.from_query(request.query_string.decode(errors="replace") if search is None else search)
    if query.notes:
        raise InputError(f"nothing was exported, so that the file is what was asked for. {query.notes[0]}")
    return query


def file(name: str, body: str, mimetype: str = MIMETYPE) -> Response:
    """A download called `headscope-NAME`."""
    headers = {"Content-Disposition": f'attachment; filename="headscope-{name}"', "Cache-Control": "no-store"}
    return Response(body, mimetype=mimetype, headers=headers)


def written(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """RFC 4180 with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def with_method(rows: Sequence[dict[str, Any]], method: str) -> str:
    """Rows of the same columns, and in the last one the sentence of method."""
    return written([*(rows[0] if rows else ()), "method"], ([*row.values(), method] for row in rows))


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
