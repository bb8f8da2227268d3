"""The values of heads in a part of the runs: kept by the writer, made by a migration, read for one head of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from headscope.analysis.types import PromptSet, RunResult
from headscope.storage import ids
from headscope.storage.columns.head_sums import PART, in_part
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from headscope.storage.schema import versions
from tests.contracts.test_store_head_stats import runs
from tests.factories import make_failure, make_info, make_prompt, make_set
from tests.filled_store import Filled, OnEachDatabase

OUT = 0xFFF
"""The end of an id that is not in the part."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ends of the ids of the next runs, in turn; then all are in the part."""
    given: list[int] = []
    more = count(1)

    def new_id() -> UUID:
        end = given.pop(0) if given else next(more) % PART
        return UUID(int=ids.new_id().int & ~0xFFF | end)

    monkeypatch.setattr("headscope.storage.write.batch.new_id", new_id)
    return given


def save(filled: Filled, results: Sequence[RunResult], experiment: str = "first", *, again: bool = False) -> list[str]:
    whole: PromptSet = make_set(*(make_prompt(f"p{key}", f"The cat sat {key}") for key in range(30)), name="a")
    saved = filled.store.save(filled.job(experiment), make_info(), whole, [], 0, results, replace_old=again)
    return list(saved.run_ids)


def kept(store: Store) -> set[str]:
    with store.engine.connect() as connection:
        return {str(run) for run in connection.execute(sa.text("SELECT run_id FROM head_values")).scalars()}


class TestHeadValues(OnEachDatabase):
    def test_the_writer_keeps_those_of_the_part(self, filled: Filled, ends: list[int]) -> None:
        ends += [0, OUT, PART - 1, PART]
        made = save(filled, runs(range(4)))
        assert [in_part(UUID(run)) for run in made] == [True, False, True, False]
        assert kept(filled.store) == {made[0], made[2]}
        assert filled.store.check() == []

    def test_of_very_many_runs_those_of_the_part_are_looked_at(
        self, filled: Filled, ends: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ends += [0, OUT, 1, 2, OUT, 3, 4]
        made = save(filled, [*runs(range(7)), make_failure(make_prompt("p29"))])
        here = RunFilter((Condition("experiment", "eq", "first"),))
        every = filled.store.head_runs(here, 3, 1)
        assert (len(every.run_id), every.total) == (7, 7)
        monkeypatch.setattr("headscope.storage.read.heads.MANY", 7)
        monkeypatch.setattr("headscope.storage.read.heads.ENOUGH", 5)
        some = filled.store.head_runs(here, 3, 1, 6)
        assert (set(some.run_id), some.total) == (set(np.delete(made[:7], [1, 4])), 8)
        place = [every.run_id.index(run) for run in some.run_id]
        assert some.values.keys() == every.values.keys()
        for key, values in some.values.items():
            np.testing.assert_array_equal(values, every.values[key][place])
        assert [every.text[i] for i in place] == list(some.text)
        few = filled.store.head_runs(here, 3, 1, 3)
        assert (len(few.run_id), few.total) == (3, 8)
        assert set(few.run_id) < set(some.run_id)
        assert filled.store.head_runs(here, 9, 0, 6).values == {}
        monkeypatch.setattr("headscope.storage.read.heads.ENOUGH", 6)  # more than are in the part
        assert filled.store.head_runs(here, 3, 1, 8).total == 7

    def test_they_go_with_a_run_and_come_with_its_copy(self, filled: Filled, ends: list[int]) -> None:
        results = runs(range(3))
        made = save(filled, results)
        hits = {result.prompt.id: run_id for result, run_id in zip(results, made, strict=True)}
        ends += [5, OUT, 6]
        whole = make_set(*(result.prompt for result in results), name="a")
        assert filled.store.reuse(filled.job("second"), whole, hits) == 3
        assert len(kept(filled.store)) == 5
        again = [replace(new, result_key=old.result_key) for new, old in zip(runs([0], seed=5), results, strict=False)]
        assert save(filled, again, again=True) == made[:1]  # written anew under its id
        assert len(kept(filled.store)) == 5
        assert filled.store.check() == []

    def test_what_is_wrong_is_found_and_mended(self, filled: Filled, ends: list[int]) -> None:
        ends += [0, OUT, 1]
        first, out, last = save(filled, runs(range(3)))
        of_entropy = f"run_id = '{last}' AND statistic = 'entropy'"
        wrong = (
            f"DELETE FROM head_values WHERE run_id = '{first}' AND statistic = 'entropy'",
            f"UPDATE head_values SET run_id = '{out}' WHERE {of_entropy}",
        )
        with filled.store.engine.begin() as connection:
            for statement in wrong:
                connection.execute(sa.text(statement))
        assert {line.split()[3] for line in filled.store.check()} == {first, out, last}
        assert filled.store.repair() == ["wrote the values of the heads of 3 runs anew"]
        assert filled.store.check() == []
        assert kept(filled.store) == {first, last}

    def test_an_older_store_gets_them(self, filled: Filled, ends: list[int]) -> None:
        ends += [0, OUT, 1]
        first, _, last = save(filled, runs(range(3)))
        url = filled.store.url
        filled.store.close()
        versions.downgrade(url, "0016")
        versions.upgrade(url)
        with Store.open(url) as store:
            assert kept(store) == {first, last}
            assert store.check() == []
