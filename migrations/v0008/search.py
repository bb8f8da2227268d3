"""`search_text` of the runs that are there. The folding is today's, not frozen: a search folds what it looks for so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from headscope.storage.sql import folding

ROWS = 50_000
BEYOND_ASCII = {"postgresql": "octet_length({0}) <> char_length({0})", "duckdb": "strlen({0}) <> length({0})"}
PARTS = ("text", "target", "error", "prompt_key")
WRITE = """
UPDATE runs SET search_text = given.said
FROM (SELECT unnest(CAST(:ids AS uuid[])) AS id, unnest(CAST(:texts AS text[])) AS said) given
WHERE runs.id = given.id
"""


def fold() -> None:
    """Without accents. A text in ASCII is folded already."""
    _rewrite(("search_text",), lambda row: folding.fold(row["search_text"]))


def unfold() -> None:
    """In lower case, as version 0007 wrote it."""
    _rewrite(PARTS, lambda row: "\n".join(part for name in PARTS if (part := row[name])).lower())


def _rewrite(sources: tuple[str, ...], said: Callable[[Any], str]) -> None:
    """Write what `said` makes of each run with anything beyond ASCII in `sources`, a batch of ids at a time."""
    connection = op.get_bind()
    beyond = " OR ".join(BEYOND_ASCII[connection.dialect.name].format(name) for name in sources)
    columns = dict.fromkeys(("id", "search_text", *sources))
    query = f"SELECT {', '.join(columns)} FROM runs WHERE ({beyond}) AND id > :last ORDER BY id LIMIT {ROWS}"
    last = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(sa.text(query), {"last": last}).mappings().all():
        last = str(rows[-1]["id"])
        changed = [(str(row["id"]), text) for row in rows if (text := said(row)) != row["search_text"]]
        if changed:
            ids, texts = zip(*changed, strict=True)
            connection.execute(sa.text(WRITE), {"ids": list(ids), "texts": list(texts)})
