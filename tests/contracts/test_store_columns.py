"""Many rows as columns: the same values as row by row, whatever they hold, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage.repository import Store
from headscope.storage.sql import columns

KINDS = {
    "plain": ["a", "b", "c", "d", "e", "f", "g"],
    "empty texts": ["", "b", "", "", "e", "f", ""],
    "the separator itself": ["a", f"b{columns.PARTED}c", "c", "d", "e", "f", "g"],
    "a missing text": ["a", None, "c", "d", "e", "f", "g"],
    "other scripts": ["ä", "日本", "👩🏽‍🚀", "a'b\\c", "{x,y}", '"q"', "\n\t"],
}
NUMBERS = [1.5, None, -2.0, 0.1, 1e300, 3.0, 4.0]


@pytest.fixture
def connection(store_url: str) -> Iterator[Connection]:
    with Store.open(store_url) as store, store.engine.begin() as opened:
        yield opened


@pytest.mark.parametrize("texts", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("at_once", [3, 4096])
def test_columns_are_the_rows_turned_round(
    connection: Connection, texts: list[str | None], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "AT_ONCE", at_once)
    table = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer), sa.Column("said", sa.String),
                     sa.Column("value", sa.Double), prefixes=["TEMPORARY"])  # fmt: skip
    table.create(connection)
    rows = [{"n": i, "said": text, "value": value} for i, (text, value) in enumerate(zip(texts, NUMBERS, strict=True))]
    connection.execute(table.insert(), rows)
    query = sa.select(table.c.said, table.c.value, sa.func.coalesce(table.c.said, "-"), table.c.n)
    found = columns.read_columns(connection, query.order_by(table.c.n))
    expected = [[row[key] for row in rows] for key in ("said", "value")]
    assert [list(column) for column in found] == [*expected, [text if text is not None else "-" for text in texts],
                                                  list(range(7))]  # fmt: skip
    none = columns.read_columns(connection, query.where(table.c.n > 99))
    assert [list(column) for column in none] in ([], [[], [], [], []])
