"""Columns of runs by both databases, against numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import Prompt
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from headscope.storage.rows.filters import PARTS
from tests.factories import make_failure, make_info, make_result, make_set

N = 60
WHERE = RunFilter()
SECONDS = np.round(np.random.default_rng(3).lognormal(0, 1, N), 2)
"""With equal values among them."""
SECONDS[:4] = 0.0, SECONDS[5], SECONDS[5], 40.0
GROUPS = [None if i % 5 == 0 else f"g{i % 9}" for i in range(N)]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    prompts = [
        Prompt(f"p{i}", f"Text {i} is", group=GROUPS[i], tags=(("odd", "all") if i % 2 else ())) for i in range(N)
    ]
    results = [replace(make_result(p, seed=i), seconds=float(SECONDS[i])) for i, p in enumerate(prompts)]
    prompts.append(Prompt("failed", "Not measured"))
    results.append(replace(make_failure(prompts[-1]), seconds=float("nan")))
    with Store.open(store_url) as opened:
        job = opened.start_job(experiment="demo", model="tiny", spec={}, total=len(results))
        opened.save(job, make_info("tiny"), make_set(*prompts), ["layers"], 0, results)
        yield opened


def members(store: Store, group: str | None) -> np.ndarray:
    return SECONDS[[mine == group for mine in GROUPS]]


def test_quartiles_means_and_whiskers_are_of_all_runs(store: Store) -> None:
    (found,) = store.column_spread(WHERE, "seconds")
    q1, median, q3 = np.percentile(SECONDS, (25, 50, 75))
    assert (found.n, found.unmeasured) == (N, 1)
    assert (found.q1, found.median, found.q3) == pytest.approx((q1, median, q3))
    assert (found.mean, found.sd) == pytest.approx((SECONDS.mean(), SECONDS.std(ddof=1)))
    assert found.skewness == pytest.approx(stats.skew(SECONDS))
    inside = SECONDS[(q1 - 1.5 * (q3 - q1) <= SECONDS) & (q3 + 1.5 * (q3 - q1) >= SECONDS)]
    assert (found.low, found.high, found.outside) == (inside.min(), inside.max(), N - len(inside))
    assert (found.least, found.most) == (0.0, 40.0)


def test_the_most_frequent_values_are_apart_and_the_rest_together(store: Store) -> None:
    found = store.column_spread(WHERE, "seconds", "group_name")
    assert len(found) == 6
    assert found[0].split.value is None  # the failed run has no group, as a fifth of the others
    assert (found[0].n, found[0].unmeasured) == (GROUPS.count(None), 1)
    assert sum(one.n for one in found) == N
    assert found[-1].split.others == len(set(GROUPS)) - 5
    for one in found[1:-1]:
        assert one.median == pytest.approx(np.median(members(store, one.split.value)))
    tags = {one.split.value: one.n for one in store.column_spread(WHERE, "seconds", "tags")}
    assert tags == {"odd": N // 2, "all": N // 2, None: N // 2}


@pytest.mark.parametrize("log", [False, True])
def test_bins_are_those_of_numpy(store: Store, log: bool) -> None:
    found = store.column_bins(WHERE, "seconds", log=log)
    drawn = SECONDS[SECONDS > 0] if log else SECONDS
    np.testing.assert_array_equal(found.counts[0], np.histogram(drawn, found.edges)[0])
    assert found.counts.sum() == len(drawn)
    assert found.left_out.tolist() == [N - len(drawn) if log else 0]
    assert found.edges[0] <= drawn.min()
    assert found.edges[-1] >= drawn.max()
    assert len(found.edges) <= 33
    whole = store.column_bins(WHERE, "n_tokens", "group_name")
    assert whole.counts.sum() == N
    assert (whole.edges % 1 == 0.5).all()


def test_steps_are_exact_where_they_stand(store: Store) -> None:
    (found,) = store.column_steps(WHERE, "seconds")
    assert found.n == N
    for value, share in zip(found.values[1:], found.shares[1:], strict=True):
        assert share == pytest.approx((value >= SECONDS).mean())
    assert set(SECONDS) == set(found.values)
    by_group = store.column_steps(WHERE, "seconds", "group_name")
    assert all(one.shares[-1] == 1 for one in by_group)


def test_pairs_are_a_fixed_sample_of_the_runs_that_have_both(store: Store) -> None:
    whole = store.column_pairs(WHERE, "seconds", "mean_surprisal")
    assert (whole.n.tolist(), whole.unmeasured.tolist()) == ([N], [1])
    rows = {row.id: row for row in store.runs(whole.run_ids)}
    assert [rows[name].seconds for name in whole.run_ids] == whole.x.tolist()
    np.testing.assert_array_equal([rows[name].mean_surprisal for name in whole.run_ids], whole.y)
    some = store.column_pairs(WHERE, "seconds", "mean_surprisal", limit=10)
    assert (some.run_ids, some.n.tolist()) == (whole.run_ids[:10], [N])


def test_no_runs_nothing_measured_and_unknown_names(store: Store) -> None:
    none = RunFilter((Condition("model", "eq", "nothing"),))
    assert store.column_spread(none, "seconds") == ()
    assert store.column_bins(none, "seconds").counts.size == 0
    assert store.column_steps(none, "seconds") == ()
    assert store.column_pairs(none, "seconds", "margin").run_ids == ()
    failed = RunFilter((Condition("status", "eq", "failed"),))
    (found,) = store.column_spread(failed, "mean_surprisal")
    assert (found.n, found.unmeasured) == (0, 1)
    assert np.isnan(found.mean)
    assert store.column_bins(failed, "mean_surprisal", "model").counts.shape == (1, 0)
    with pytest.raises(UnknownNameError):
        store.column_spread(WHERE, "text")
    with pytest.raises(UnknownNameError):
        store.column_steps(WHERE, "seconds", "text")


def test_a_sample_is_drawn_by_the_end_of_the_ids(store: Store) -> None:
    part = RunFilter(sample=PARTS // 2)
    runs = store.runs_page(WHERE, limit=N + 1).rows
    drawn = [row for row in runs if int(row.id[-3:], 16) < PARTS // 2]
    assert {row.id for row in store.runs_page(part, limit=N + 1).rows} == {row.id for row in drawn}
    assert 0 < len(drawn) < len(runs)
    values = [row.seconds for row in drawn if row.status == "succeeded"]
    (found,) = store.column_spread(part, "seconds")
    assert (found.n, found.n + found.unmeasured) == (len(values), len(drawn))
    assert found.median == pytest.approx(np.median(values))
    assert store.column_bins(part, "seconds", "tags").counts.sum() == sum(max(1, len(row.tags)) for row in drawn
                                                                          if row.status == "succeeded")  # fmt: skip
    assert sum(store.column_pairs(part, "seconds", "n_tokens").n) == len(values)
    assert store.column_spread(RunFilter((Condition("n_tokens", "lt", 0),), sample=PARTS - 1), "seconds") == ()
