"""Long arrays past SQLAlchemy, against what SQLAlchemy reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from headscope.storage import session
from headscope.storage.schema.base import Doubles, Json, Reals
from headscope.storage.sql import arrays
from tests.filled_store import Filled, OnEachDatabase

TABLE = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer), sa.Column("run_id", sa.Uuid), sa.Column("x", Reals),
                 sa.Column("params", Json), sa.Column("d", Doubles), prefixes=["TEMPORARY"])  # fmt: skip
VALUES = ("ARRAY[1.5, -2, 1e-20]", "ARRAY[0.25, NULL, NULL, 3]", "ARRAY[NULL]", "ARRAY[]", "NULL",
          "ARRAY['NaN', 'Infinity']", "ARRAY[7]")  # fmt: skip
EXPECTED = ([1.5, -2, 1e-20], [0.25, np.nan, np.nan, 3], [np.nan], [], None, [np.nan, np.inf], [7])


class TestArrays(OnEachDatabase):
    def test_they_are_vectors_whatever_is_missing_in_them(self, filled: Filled) -> None:
        with session.writing(filled.store.engine) as connection:
            TABLE.create(connection)
            for n, value in enumerate(VALUES):
                params = "NULL" if n == 1 else f"""'{{"k": {n}}}'"""
                connection.execute(sa.text(
                    f"INSERT INTO t VALUES ({n}, '00000000-0000-0000-0000-00000000000{n}', CAST({value} AS REAL[]), "
                    + params.replace(":", "\\:") + f", CAST({value} AS DOUBLE PRECISION[]))"
                ))  # fmt: skip
            query = sa.select(TABLE).order_by(TABLE.c.n)
            plain = connection.execute(query).mappings().all()
            for at_once in (1, 3, 100):
                parts = list(arrays.rows(connection, query, at_once))
                assert max(map(len, parts)) <= at_once
                rows = [row for part in parts for row in part]
                assert [row["n"] for row in rows] == list(range(len(VALUES)))
                for row, expected, read in zip(rows, EXPECTED, plain, strict=True):
                    assert (row["run_id"], row["params"]) == (read["run_id"], read["params"])
                    for name, kind in (("x", np.float32), ("d", np.float64)):
                        if expected is None:
                            assert row[name] is read[name] is None
                            continue
                        assert row[name].dtype == kind
                        np.testing.assert_array_equal(row[name], np.array(expected, dtype=kind))
                        np.testing.assert_array_equal(row[name], np.array(read[name], dtype=kind))

    def test_no_rows_are_none(self, filled: Filled) -> None:
        with session.writing(filled.store.engine) as connection:
            TABLE.create(connection)
            assert [row for part in arrays.rows(connection, sa.select(TABLE), 5) for row in part] == []

    def test_the_next_statement_runs_whoever_still_holds_the_cursor(
        self, filled: Filled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A traceback or a profiler may; and a reader may stop in the middle."""
        held: list[Any] = []
        executed = arrays.executed

        def kept(*arguments: Any, **named: Any) -> Any:
            held.append(executed(*arguments, **named))
            return held[-1]

        monkeypatch.setattr(arrays, "executed", kept)
        query = sa.select(sa.literal(1).label("n")).union_all(*(sa.select(sa.literal(n)) for n in range(2, 9)))
        with session.writing(filled.store.engine) as connection:
            for _ in range(2):
                assert sorted(row["n"] for part in arrays.rows(connection, query, 3) for row in part) == [*range(1, 9)]
                begun = arrays.rows(connection, query, 3)
                assert len(next(begun)) == 3
                begun.close()
                assert connection.execute(sa.text("SELECT 5")).scalar() == 5
        assert len(held) == 4
