"""Calibration and selective risk against hand calculations, counterfactual pairs, clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from headscope.analysis.statistics.calibration import _pseudo_values, calibration_error, selective_risk
from headscope.analysis.statistics.clusters import clusters
from headscope.analysis.statistics.confidence import answered_right, lock_in, spread
from headscope.analysis.statistics.counterfactual import OTHERS, Members, by_template, contrasts
from headscope.analysis.statistics.pair_words import filler_of, template_of


def test_calibration_error_by_hand() -> None:
    """Two bins of two: stated .15 against 1/2 right, stated .85 against 2/2 right: (.35 + .15) / 2."""
    found = calibration_error([0.8, 0.1, 0.2, 0.9], [1, 0, 1, 1], bins=2)
    assert found.stated.tolist() == pytest.approx([0.15, 0.85])
    assert found.observed.tolist() == [0.5, 1.0]
    assert found.error == pytest.approx(0.25)
    assert (found.n, found.counts.tolist()) == (4, [2, 2])
    assert np.isnan(found.low)


def test_a_calibrated_model_has_a_small_error_and_nan_is_left_out() -> None:
    generator = np.random.default_rng(1)
    stated = generator.random(20_000)
    right = (generator.random(20_000) < stated).astype(float)
    assert calibration_error(stated, right).error < 0.02
    assert calibration_error(np.where(stated < 0.5, np.nan, stated), right).n == int((stated >= 0.5).sum())
    wrong = calibration_error(stated, 1 - right, draws=50)
    assert wrong.low < wrong.error < wrong.high
    assert calibration_error([], []).n == 0


@pytest.mark.parametrize(("by", "n"), [(0.0, 60), (0.0, 500), (0.3, 60), (0.3, 500)])
def test_the_interval_of_the_error_holds_the_true_one(by: float, n: int) -> None:
    """Stated as it is, or .3 of what is left too much; 100 times. The error of resampled answers is never 0."""
    generator, held, times = np.random.default_rng([n, round(10 * by)]), 0, 100
    for _ in range(times):
        real = generator.random(n)
        right = (generator.random(n) < real).astype(float)
        found = calibration_error(real + by * (1 - real), right, draws=200)
        held += found.low <= by / 2 <= found.high
        assert 0 <= found.low <= found.high
    assert held >= 80, held  # 86 % and more, less two standard errors of 100 times


def test_few_answers_have_an_error_and_no_interval() -> None:
    found = calibration_error([0.8, 0.1, 0.2, 0.9], [1, 0, 1, 1], draws=100)
    assert np.isfinite(found.error)
    assert np.isnan([found.low, found.high]).all()


def test_selective_risk_by_hand() -> None:
    """Surest first: right, wrong, then two equally sure of which one is wrong."""
    found = selective_risk([0.9, 0.8, 0.5, 0.5], [1, 0, 1, 0])
    assert found.risk.tolist() == pytest.approx([0, 1 / 2, (1 + 0.5) / 3, 2 / 4])
    assert found.random == 0.5
    assert found.area == pytest.approx(np.mean([0, 0.5, 0.5, 0.5]))
    assert selective_risk([np.nan], [1]).n == 0
    assert found.gain == pytest.approx(0.5 - 0.375)
    assert np.isnan(found.gain_low)


def test_the_interval_of_what_the_order_gains() -> None:
    """Without a relation between confidence and right answers it holds 0 in about 95 % of cases; with one it does not,
    and it is near that of resampling the answers themselves."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        found = selective_risk(generator.random(60), generator.random(60) < 0.6, draws=200)
        held += found.gain_low <= 0 <= found.gain_high
    assert 180 <= held <= 199
    stated = generator.random(300)
    right = generator.random(300) < stated
    found = selective_risk(stated, right, draws=1000)
    assert 0 < found.gain_low < found.gain < found.gain_high
    drawn = [generator.integers(0, 300, 300) for _ in range(400)]
    again = [selective_risk(stated[chosen], right[chosen]).gain for chosen in drawn]
    assert np.percentile(again, (2.5, 97.5)) == pytest.approx([found.gain_low, found.gain_high], abs=0.02)


@pytest.mark.parametrize(("kind", "n", "least"), [("calibrated", 10, 0.94), ("calibrated", 100, 0.94),
                                                  ("rarely wrong", 150, 0.92)])  # fmt: skip
def test_intervals_of_the_gain_hold_it(kind: str, n: int, least: float) -> None:
    """The gains of endless answers by hand: their order's area less the share of wrong ones, 1/4 and 1/40."""
    generator, held, cases = np.random.default_rng(3), 0, 300
    truth = {"calibrated": 1 / 4, "rarely wrong": 1 / 40}[kind]
    for _ in range(cases):
        stated = generator.random(n)
        wrong = generator.random(n) < (1 - stated) * (1.0 if kind == "calibrated" else 0.1)
        found = selective_risk(stated, ~wrong, draws=200)
        held += found.gain_low <= truth <= found.gain_high
    assert held / cases >= least


def test_what_each_prompt_adds_to_the_gain_is_found_by_leaving_it_out() -> None:
    generator = np.random.default_rng(4)
    stated, right = generator.random(12), generator.random(12) < 0.5
    order = np.argsort(-stated)
    gain = selective_risk(stated, right).gain
    without = [selective_risk(np.delete(stated, i), np.delete(right, i)).gain for i in order]
    assert _pseudo_values(1.0 - right[order]) == pytest.approx([12 * gain - 11 * other for other in without])


def test_few_answers_of_a_kind_are_known() -> None:
    assert selective_risk([0.9, 0.8, 0.5, 0.5], [1, 0, 1, 1]).fewest == 1
    assert selective_risk([0.9, 0.8, 0.5, 0.5], [0, 0, 1, 0]).fewest == 1
    assert selective_risk([np.nan], [1]).fewest == 0


def test_where_an_answer_locks_in() -> None:
    assert [lock_in(np.array(ranks, dtype=float)) for ranks in ([1, 1], [5, 1, 2, 1], [3, 1, 1], [1, 2], [])] == [
        0, 3, 1, -1, -1]  # fmt: skip
    assert answered_right(np.array([1.0, 3.0, np.nan])).tolist()[:2] == [1, 0]
    assert spread(np.array([np.nan])).n == 0
    assert spread(np.arange(101.0)).median == 50


def test_templates_keep_whole_words() -> None:
    assert template_of(["The nurse came home", "The mechanic came home"]) == "The … came home"
    assert template_of(["a b", "a b"]) == "a b"
    assert template_of(["an old man", "a young man"]) == "… man"
    assert filler_of(["An old man spoke", "A young man spoke"]) == filler_of(["But the Old man", "But the young man"])
    assert filler_of(['Ann saw her. "her" is', 'Ann saw him. "him" is']) == "her / him"
    assert filler_of(["He who is deaf came", "He came"]) == "who is deaf / "


Row = tuple[str, str, tuple[str, ...], str, float]


def columns(rows: Sequence[Row]) -> Members:
    """Members from rows (pair, group, tags, text, value)."""
    pair, group, tags, text, value = (list(column) for column in zip(*rows, strict=True))
    ids = [f"{p}-{g}" for p, g in zip(pair, group, strict=True)]
    n = len(rows)
    return Members(ids, ["m"] * n, ["set"] * n, pair, group, tags, text, np.array(value, dtype=np.float64))


def rows_of(values: dict[str, dict[str, float]], *tags: str) -> list[Row]:
    return [
        (pair, group, tags, f"wording {pair} says {group}", value)
        for pair, mine in values.items()
        for group, value in mine.items()
    ]


def members(values: dict[str, dict[str, float]]) -> Members:
    return columns(rows_of(values, "x"))


def test_two_groups_are_compared_once_and_more_with_all_others() -> None:
    (row,) = contrasts(members({"p1": {"b": 1.0, "a": 3.0}, "p2": {"a": 5.0, "b": 4.0}}))
    assert (row.a, row.b, row.effect.n, row.effect.mean) == ("a", "b", 2, 1.5)
    assert np.isnan(row.adjusted_p)
    three = contrasts(members({"p": {"a": 6.0, "b": 1.0, "c": 2.0}}))
    assert {row.a: row.effect.mean for row in three} == {"a": 4.5, "b": -3.0, "c": -1.5}
    assert {row.b for row in three} == {OTHERS}
    assert contrasts(members({"alone": {"a": 1.0}})) == []


def test_a_tag_that_selects_the_same_pairs_is_not_a_second_test() -> None:
    pairs = {f"p{i}": {"a": i + 1.0, "b": 0.0} for i in range(6)}
    assert [row.attribute for row in contrasts(columns(rows_of(pairs, "set", "kind", "template:a", "context:3")))] == [
        "kind"
    ]


def test_pairs_without_an_effect_are_marked_at_no_more_than_the_nominal_rate() -> None:
    """200 tables of eight contrasts without any effect: marked at all in about 5 % of them."""
    generator = np.random.default_rng(3)
    any_marked = 0
    for _ in range(200):
        table: list[Row] = []
        for kind in range(8):
            noise = generator.normal(size=(12, 2))
            values = {f"{kind}-{i}": {f"a{kind}": a, f"b{kind}": b} for i, (a, b) in enumerate(noise)}
            table += rows_of(values, f"{kind}")
        any_marked += any(row.adjusted_p < 0.05 for row in contrasts(columns(table)))
    assert any_marked <= 20  # P(more than 20 of 200 at 5 %) < 0.001


def test_pairs_of_one_named_wording_are_one_observation_however_differently_they_read() -> None:
    """`a deaf man`, `an old man`: the article differs with the group, so the texts leave other words in common."""
    filled = [("the old man", "the young man"), ("an old man", "a young man"), ("the old aunt", "a young aunt")]
    table = [
        (f"{w}-{i}", g, ("x", f"template:w{w}"), f"wording {w}: {who} spoke", float(i + (g == "old")))
        for w in range(6)
        for i, pair in enumerate(filled)
        for g, who in zip(("old", "young"), pair, strict=True)
    ]
    (row,) = contrasts(columns(table))
    assert (row.effect.n, row.effect.groups) == (18, 6)
    assert row.effect.p == 2 / 2**6
    assert by_template(row.pairs)[0] == ("wording 0: the … man spoke", 1.0, 3)


def test_wordings_show_what_the_mean_hides() -> None:
    (row,) = contrasts(members({"p1": {"a": 3.0, "b": 0.0}, "p2": {"a": 0.0, "b": 1.0}}))
    assert by_template(row.pairs) == [("wording p1 says …", 3.0, 1), ("wording p2 says …", -1.0, 1)]


def test_texts_that_share_words_are_together() -> None:
    texts = ["A robin is not a", "A salmon is not a", "An oak is not a", "He lent the book to", "She lent the pen to",
             "They lent the car to", "Paris"]  # fmt: skip
    found = clusters(texts)
    assert sorted(sorted(group.members) for group in found) == [[0, 1, 2], [3, 4, 5]]
    assert {"lent"} <= {word for group in found for word in group.words}
    assert clusters(["one", "two"]) == []
    assert clusters(["", "", "", "!"]) == []
