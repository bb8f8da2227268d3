"""False-alarm rates: what comes along fits the detectors, the null sets and their arithmetic."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict

import pytest
from scipy.stats import binomtest

from headscope.analysis.detectors import false_alarms
from headscope.analysis.detectors.false_alarms import NULL_SETS, UNDEFINED, FalseAlarms, meant_for, measured, of_labels
from headscope.analysis.registry import DETECTORS
from headscope.analysis.training import functional_tests
from headscope.datasets import prompt_sets

SETS = ("null_pairs", "null_answers", "null_wordings")
MEANT = Counter(name for null in SETS for prompt in prompt_sets.load(null).prompts for name in meant_for(prompt.tags))


def test_every_detector_has_a_null_set_or_a_reason() -> None:
    assert {*NULL_SETS} | {*UNDEFINED} == {*DETECTORS}
    assert not {*NULL_SETS} & {*UNDEFINED}
    assert {*measured().rates} == {*NULL_SETS}
    assert {*MEANT} == {*NULL_SETS} - {"repetition_loop", "toxic_continuation"}


@pytest.mark.parametrize("name", NULL_SETS)
def test_what_was_measured_is_of_the_sets_there_are(name: str) -> None:
    """Prompts without a pair are all judged; of a pair one member, where the other is right, or both."""
    n, texts = measured().rates[name].n, [text for kind in functional_tests.kinds() for text in kind.sentences]
    harmless = sum(len(kind.sentences) for kind in functional_tests.kinds() if not kind.toxic)
    exact = {"repetition_loop": sum(len(text.split()) >= 8 for text in texts), "toxic_continuation": harmless}
    exact |= {each: MEANT[each] for each in ("confident_wrong", "harmless_edit", "self_contradiction",
                                             "overconfidence", "inconsistent")}  # fmt: skip
    pairs = MEANT[name] // 2
    assert exact.get(name, n) == n
    assert name in exact or 0 < n <= (2 * pairs if name == "reversed_relation" else pairs)


def test_intervals_in_the_file_are_wilsons() -> None:
    kept = json.loads(false_alarms.FILE.read_text())
    for name, row in kept["rates"].items():
        assert row["found"] == row["low"] + row["medium"] + row["high"]
        expected = binomtest(row["found"], row["n"]).proportion_ci(method="wilson")
        assert row["interval"] == pytest.approx([expected.low, expected.high], abs=1e-4), name
    assert kept["code_version"]
    assert json.loads(measured().to_json()) == kept


def test_labels_are_counted() -> None:
    rate = of_labels(["passed", "high", "low", "low"])
    assert asdict(rate) == {"n": 4, "low": 2, "medium": 0, "high": 1}
    assert rate.found == 3
    assert all(map(math.isnan, FalseAlarms(0, 0, 0, 0).interval))
