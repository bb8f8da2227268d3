"""Tests of answers over many prompts, against counts by hand and references."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.blackbox.answer_rows import AnswerRow, Told, answer_rows
from headscope.analysis.statistics.intervals import wilson


def told(key: str, probe: str, score: float, group: str | None = None, pair: str | None = None, **more: Any) -> Told:
    return Told(f"run-{key}", "set", key, probe, score, {"pair": pair, "group": group, **more})


def again(kind: str, same: bool, meaning: bool | None = None, of: str = "") -> dict[str, Any]:
    return {"kind": kind, "same": same, "meaning": meaning, "of": of}


def named(found: list[AnswerRow]) -> dict[str, AnswerRow]:
    return {f"{row.test}: {row.subset}": row for row in found}


def test_answers_of_one_question_count_as_one_observation() -> None:
    """20 questions, half of which always get the same answer: the interval is that of 20, not of 200."""
    rows = named(answer_rows([
        told(f"q{i}", "answer_consistency", float(i % 2), again=[again("draw", i % 2 == 0)] * 10) for i in range(20)
    ]))  # fmt: skip
    (row,) = rows.values()
    assert (row.subset, row.value, row.n, row.of) == ("sampled again, same words", 0.5, 200, 20)
    low, high = wilson(10, 20)
    assert (row.low, row.high) == (pytest.approx(low, abs=0.06), pytest.approx(high, abs=0.06))
    assert set(row.against) == {f"run-q{i}" for i in range(1, 20, 2)}


def test_what_never_differs_has_an_interval_all_the_same() -> None:
    (row,) = answer_rows([told(f"q{i}", "answer_invariance", 1.0, again=[again("edit", True)] * 4) for i in range(10)])
    assert (row.value, row.low, row.high) == (1.0, *map(pytest.approx, wilson(10, 10)))
    assert row.against == ()


def test_two_wordings_are_compared_once() -> None:
    found = answer_rows([
        told(f"{side}{i}", "answer_consistency", 0.0, f"paraphrase {side}", f"p{i}",
             again=[again("wording", i < 3, True, of=f"{'b' if side == 'a' else 'a'}{i}")])
        for i in range(6) for side in "ab"
    ])  # fmt: skip
    words, meaning = found
    assert (words.value, words.n, words.of) == (0.5, 6, 6)
    assert (meaning.value, meaning.subset) == (1.0, "other wordings of the set, same meaning")


def test_a_relation_known_one_way_round_only() -> None:
    """6 pairs right in both directions, 8 forward only, 2 reversed only, 4 in none."""
    rights = [(1, 1)] * 6 + [(1, 0)] * 8 + [(0, 1)] * 2 + [(0, 0)] * 4
    rows = named(answer_rows([
        told(f"{i}-{group}", "target_stated", float(value), group, f"p{i}")
        for i, pair in enumerate(rights) for group, value in zip(("forward", "reversed"), pair, strict=True)
    ]))  # fmt: skip
    values = {name.split(": ")[1]: (row.value, row.n) for name, row in rows.items()}
    assert values == {
        "right in both directions": (0.3, 20), "right in one direction only": (0.5, 20),
        "right forward": (0.7, 20), "right reversed": (0.4, 20), "forward minus reversed": (pytest.approx(0.3), 20),
    }  # fmt: skip
    gap = rows["Reversed relation: forward minus reversed"]
    reference = stats.bootstrap((np.array([a - b for a, b in rights], dtype=float),), np.mean, method="percentile")
    assert gap.low == pytest.approx(reference.confidence_interval.low, abs=0.08)
    assert gap.high == pytest.approx(reference.confidence_interval.high, abs=0.08)


@pytest.mark.parametrize(("back", "low", "high"), [(0, 0.545, 1.0), (1, -0.324, 0.324)])
def test_pairs_that_all_differ_alike_have_an_interval_with_width(back: int, low: float, high: float) -> None:
    """8 of 8 forward, and none or all reversed; by hand from Wilson's [.676, 1] and [0, .324]."""
    rows = named(answer_rows([
        told(f"{i}-{group}", "target_stated", float(value), group, f"p{i}")
        for i in range(8) for group, value in (("forward", 1), ("reversed", back))
    ]))  # fmt: skip
    gap = rows["Reversed relation: forward minus reversed"]
    assert (gap.value, gap.low, gap.high) == (1 - back, pytest.approx(low, abs=0.005), pytest.approx(high, abs=0.001))
    assert gap.method == "Newcombe's where all pairs differ alike"


def test_the_boundary_of_what_a_model_knows() -> None:
    """12 of 20 unanswerable questions are abstained from and 1 of the answerable ones; log-probabilities as dealt."""
    random = np.random.default_rng(4)
    sure = {"unanswerable": random.normal(-2, 1, 20), "answerable": random.normal(-1, 1, 20)}
    abstains = {"unanswerable": 12, "answerable": 1}
    rows = named(answer_rows([
        told(f"{i}-{group}", "abstention", float(i < abstains[group]), group, f"p{i}",
             mean_logprob=float(sure[group][i]))
        for group in sure for i in range(20)
    ]))  # fmt: skip
    start = "Knowledge boundary: "
    assert rows[f"{start}abstains, unanswerable"].value == 0.6
    assert rows[f"{start}abstains, answerable"].value == 0.05
    assert rows[f"{start}abstains, answerable"].against == ("run-0-answerable",)
    assert len(rows[f"{start}abstains, unanswerable"].against) == 8
    gap = rows[f"{start}abstains, unanswerable minus answerable"]
    assert gap.value == pytest.approx(0.55)
    assert gap.low > 0.2
    area = rows[f"{start}low log-probability tells unanswerable"]
    greater = stats.mannwhitneyu(sure["answerable"], sure["unanswerable"]).statistic / 400
    assert area.value == pytest.approx(greater)
    assert area.low < greater < area.high
    difference = rows[f"{start}log-probability, unanswerable minus answerable"]
    assert difference.value == pytest.approx(float((sure["unanswerable"] - sure["answerable"]).mean()))
    for group, values in sure.items():
        mean = rows[f"{start}log-probability of the answer, {group}"]
        low, high = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
        assert mean.value == pytest.approx(float(values.mean()))
        assert low - 0.3 < mean.low <= low + 1e-9  # about its mean, not between 0 and 1
        assert min(high, 0.0) - 1e-9 <= mean.high <= 0.0


def test_without_probabilities_only_wordings_are_told_and_few_have_no_interval() -> None:
    rows = named(answer_rows([
        told(f"{i}-{group}", "abstention", 1.0, group, f"p{i}", mean_logprob=None)
        for group in ("unanswerable", "answerable") for i in range(3)
    ]))  # fmt: skip
    assert not any("log-probability" in name for name in rows)
    assert math.isnan(rows["Knowledge boundary: abstains, unanswerable minus answerable"].low)
    assert answer_rows([]) == []
