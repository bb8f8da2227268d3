"""Two models on the same prompts by both databases, against numpy and scipy over the single prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import headscope
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.calibration import calibration_error
from headscope.analysis.statistics.calibration_pairs import reliability
from headscope.analysis.statistics.model_pairs import means, shares
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter, RunRow
from headscope.storage.rows.filters import PARTS
from headscope.storage.rows.models import Matched, Sides
from tests.models_store import FIRST, SECOND, N, Planted, fill, prompts

SIDES = Sides(FIRST, SECOND, where=RunFilter((Condition("prompt_set", "eq", "asked"),)))
Pairs = dict[str, dict[str, Planted]]
PEOPLE = [prompt.id for prompt in prompts() if prompt.pair_id]
ANSWERS = [prompt.id for prompt in prompts() if not prompt.pair_id]
TEXTS = {prompt.id: prompt.text for prompt in prompts()} | {"tie": "A tie is", "bare": "Without a target"}
CLUSTER = {prompt.id: prompt.pair_id or prompt.id for prompt in prompts()}


@pytest.fixture(scope="module")
def url(shared_store_url: str) -> str:
    return shared_store_url


@pytest.fixture(scope="module")
def planted(url: str) -> Pairs:
    with Store.open(url) as store:
        return fill(store)


def linearised(keys: list[str], first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The half width of the interval of a mean and of the difference, cluster by cluster; `[model, prompt]` weights."""
    ratios = first.sum() / weights[0].sum(), second.sum() / weights[1].sum()
    rest = [(values - ratio * x) / x.sum() for values, ratio, x in zip((first, second), ratios, weights, strict=True)]
    names = sorted({CLUSTER.get(key, key) for key in keys})
    at = np.array([names.index(CLUSTER.get(key, key)) for key in keys])
    found = []
    for deviations in (rest[0], rest[1] - rest[0]):
        sums = np.bincount(at, deviations)
        error = np.sqrt((sums**2).sum() * len(names) / (len(names) - 1))
        found.append(float(stats.t.ppf(0.975, len(names) - 1) * error))
    return found[0], found[1]


def columns(planted: Pairs, keys: list[str], of: Callable[[Planted], float]) -> tuple[np.ndarray, np.ndarray]:
    one, two = (np.array([of(planted[model][key]) for key in keys]) for model in (FIRST, SECOND))
    return one, two


def test_prompts_are_matched_and_what_is_left_out_is_counted(url: str, planted: Pairs) -> None:
    with Store.open(url) as store:
        assert store.models_beside(SIDES).matched == Matched(
            both=N + 2, failed_first=0, failed_second=1, failed_both=0, changed_first=1, changed_second=1,
            only_first=1, only_second=1, older=1,
        )  # fmt: skip
        early = store.models_beside(Sides(FIRST, SECOND, first_experiment="early"))
        assert (early.matched.both, early.measured["margin"].sums[2]) == (1, 99.0)
        nobody = store.models_beside(Sides(FIRST, "nobody"))
        assert (nobody.matched.both, nobody.matched.only_first, nobody.cells.n.size) == (0, N + 5, 0)


def test_a_part_of_the_prompts_is_the_same_on_both_models_and_has_whole_pairs(url: str, planted: Pairs) -> None:
    def drawn(row: RunRow) -> bool:
        side = f"pair {row.pair_id}" if row.pair_id else f"key {row.prompt_key}"
        return int(hashlib.md5(f"{row.prompt_set or ''}\n{side}".encode()).hexdigest()[:3], 16) < PARTS // 3

    with Store.open(url) as store:
        every = store.runs_page(SIDES.where, limit=1_000).rows
        part = replace(SIDES.where, parts=PARTS // 3)
        kept = store.runs_page(part, limit=1_000).rows
        found = store.models_beside(replace(SIDES, where=part))
    assert {row.id for row in kept} == {row.id for row in every if drawn(row)}
    succeeded = {(row.model, row.prompt_key) for row in kept if row.status == "succeeded"}
    both = {key for model, key in succeeded if model == FIRST} & {key for model, key in succeeded if model == SECOND}
    assert 0 < found.matched.both <= len(both) < N


def test_margins_and_their_difference_have_intervals_over_pairs(url: str, planted: Pairs) -> None:
    keys = [*PEOPLE, *ANSWERS, "tie"]
    one, two = columns(planted, keys, lambda said: said.margin)
    with Store.open(url) as store:
        found = means(store.models_beside(SIDES).measured["margin"])
    assert (found.n, found.clusters) == (N + 1, len(PEOPLE) // 2 + len(ANSWERS) + 1)
    half, apart = linearised(keys, one, two, np.ones((2, len(keys))))
    assert found.first.value == pytest.approx(one.mean())
    assert (found.first.low, found.first.high) == pytest.approx((one.mean() - half, one.mean() + half))
    change = (two - one).mean()
    assert (found.difference.low, found.difference.value, found.difference.high) == pytest.approx(
        (change - apart, change, change + apart)
    )


def test_shares_flips_and_mcnemars_test(url: str, planted: Pairs) -> None:
    keys = [*PEOPLE, *ANSWERS, "tie"]
    one, two = ((np.sign(side) + 1) / 2 for side in columns(planted, keys, lambda said: said.margin))
    net: dict[str, float] = {}
    for key, a, b in zip(keys, one, two, strict=True):
        name = CLUSTER.get(key, key)
        net[name] = net.get(name, 0.0) + b - a
    gained, lost = sum(value > 0 for value in net.values()), sum(value < 0 for value in net.values())
    with Store.open(url) as store:
        found = store.models_beside(SIDES).measured
        for which, turned in (("all", one != two), ("gained", two > one), ("lost", two < one)):
            rows = store.flips(SIDES, which, limit=100)
            assert {row.prompt_key for row in rows} == {
                key for key, is_flip in zip(keys, turned, strict=True) if is_flip
            }
            assert [row.prompt_key for row in store.flips(SIDES, which, 2, 3)] == [row.prompt_key for row in rows[2:5]]
            sizes = [abs(row.change) for row in rows]
            assert sizes == sorted(sizes, reverse=True)
        with pytest.raises(UnknownNameError):
            store.flips(SIDES, "some")
    moments, said = found["preferred"], shares(found["preferred"])
    assert (moments.gained, moments.lost) == (gained, lost)
    assert (moments.only_first, moments.only_second) == ((one > two).sum(), (two > one).sum())
    assert said.p == pytest.approx(stats.binomtest(gained, gained + lost).pvalue)
    assert (said.first.value, said.second.value) == pytest.approx((one.mean(), two.mean()))
    answers = shares(found["accuracy"])
    a, _ = columns(planted, [*ANSWERS, "tie"], lambda said: said.margin)
    wilson = stats.binomtest(int((a > 0).sum()), len(a)).proportion_ci(method="wilson")
    assert answers.n == answers.clusters == len(a)
    if 0 < (a > 0).mean() < 1:  # independent prompts: as many as they are, less what Student's t is wider
        assert answers.first.low <= wilson.low <= wilson.high <= answers.first.high
        assert (answers.first.low, answers.first.high) == pytest.approx((wilson.low, wilson.high), abs=0.02)


def test_surprisal_is_of_the_characters_that_both_models_predicted(url: str, planted: Pairs) -> None:
    keys = [*PEOPLE, *ANSWERS, "tie", "bare"]
    amounts, lengths = np.zeros((2, len(keys))), np.zeros((2, len(keys)))
    for place, key in enumerate(keys):
        cut = max(planted[model][key].ends[0] for model in (FIRST, SECOND))
        for side, model in enumerate((FIRST, SECOND)):
            said = planted[model][key]
            for begin, end, logprob in zip(said.ends, said.ends[1:], said.logprobs[1:], strict=False):
                if end > cut:
                    amounts[side, place] -= np.float32(logprob)
                    lengths[side, place] += end - begin
    with Store.open(url) as store:
        moments = store.models_beside(SIDES).measured["surprisal"]
    assert moments.sums == pytest.approx([*lengths.sum(1), *amounts.sum(1)], rel=1e-6)
    found = means(moments)
    half, apart = linearised(keys, *amounts, lengths)
    assert found.first.high - found.first.low == pytest.approx(2 * half, rel=1e-5)
    assert found.difference.value == pytest.approx(np.divide(amounts.sum(1), lengths.sum(1)) @ [-1, 1], rel=1e-5)
    assert found.difference.high - found.difference.low == pytest.approx(2 * apart, rel=1e-5)


def test_calibration_is_that_of_numpy_over_prompts_with_a_right_answer(url: str, planted: Pairs) -> None:
    keys = [*ANSWERS, "tie"]
    with Store.open(url) as store:
        found = store.models_beside(SIDES)
    for side, (model, curve) in enumerate(zip((FIRST, SECOND), reliability(found.cells), strict=True)):
        stated = np.array([planted[model][key].stated for key in keys], np.float32)
        right = np.array([planted[model][key].rank == 1 for key in keys], float)
        other = calibration_error(stated, right)
        assert (curve.n, curve.error) == (len(keys), pytest.approx(other.error, abs=1e-6))
        np.testing.assert_array_equal(curve.counts, other.counts)
        np.testing.assert_allclose(curve.observed, other.observed)
        np.testing.assert_allclose(curve.stated, other.stated, atol=1e-6)
        gap = means(found.measured["overconfidence"])
        assert (gap.first, gap.second)[side].value == pytest.approx((stated - right).mean(), abs=1e-6)
        brier = means(found.measured["brier"])
        assert (brier.first, brier.second)[side].value == pytest.approx(((stated - right) ** 2).mean(), abs=1e-6)


def test_a_notebook_gives_the_same_as_frames(url: str, planted: Pairs) -> None:
    with Store.open(url) as store:
        found, rows = store.models_beside(SIDES), store.flips(SIDES, "lost", limit=1000)
    with headscope.open(url) as book:
        frame = book.models_beside(FIRST, SECOND, prompt_set="asked").set_index("measure")
        flips = book.flips(FIRST, SECOND, which="lost", prompt_set="asked")
    margin = means(found.measured["margin"])
    assert tuple(frame.loc["margin", ["n", "first", "difference_low"]]) == pytest.approx(
        (margin.n, margin.first.value, margin.difference.low)
    )
    assert np.isnan(frame.loc["margin", "p"])
    assert frame.loc["preferred", "only_first"] == len(flips) == len(rows)
    assert flips.first_run.tolist() == [row.first_run for row in rows]


def test_a_flip_names_its_runs_and_the_other_prompt_of_its_pair(url: str, planted: Pairs) -> None:
    with Store.open(url) as store:
        rows = store.flips(SIDES, limit=100)
        runs = {row.id: row for row in store.runs([run for row in rows for run in (row.first_run, row.second_run)])}
    assert rows
    for row in rows:
        assert runs[row.first_run].model, runs[row.second_run].model == (FIRST, SECOND)
        assert runs[row.first_run].text == runs[row.second_run].text == row.text == TEXTS[row.prompt_key]
        assert row.change == pytest.approx(
            planted[SECOND][row.prompt_key].margin - planted[FIRST][row.prompt_key].margin
        )
        partner = [key for key in PEOPLE if CLUSTER[key] == row.pair_id and key != row.prompt_key]
        assert row.partner == (TEXTS[partner[0]] if partner else "")
    assert any(row.partner for row in rows)
