"""The numbers of the Methods page, by hand: disputes, samples, and how they are written."""

from __future__ import annotations

import numpy as np
import pytest

from headscope.dashboard.numbers import interval, signed
from headscope.dashboard.pages.methods.comparison import compare, disputes
from headscope.dashboard.units import memory, seconds
from headscope.storage.rows import PromptScores


def scores(run_id: str = "r", key: str = "p", **methods_: list[float]) -> PromptScores:
    found = {name: np.array(values, dtype=np.float32) for name, values in methods_.items()}
    return PromptScores(run_id, "set", key, "tiny", "a b c", " d", None, found, frozenset(found))


def test_disputes_by_hand() -> None:
    """Two that agree and one that turns the order round; a prompt with one method has no dispute."""
    runs = (
        scores("calm", "1", a=[3, 2, 1], b=[6, 4, 2], c=[3, 2, 1]),
        scores("torn", "2", a=[3, 2, 1], b=[3, 2, 1], c=[1, 2, 3]),
        scores("alone", "3", a=[3, 2, 1]),
    )
    comparison = compare(runs, 3, 1)
    first, second = disputes(comparison, comparison.methods)
    assert (first.run.run_id, second.run.run_id) == ("torn", "calm")
    assert (first.value, first.apart, first.apart_tau) == (pytest.approx(4 / 3), ("a", "c"), -1)
    assert second.value == 0
    assert [item.value for item in disputes(comparison, ("a", "b"))] == [0, 0]
    assert disputes(comparison, ("a", "unknown")) == ()
    assert comparison.chance == pytest.approx(1 / 3)


def test_long_texts_are_sampled_instead_of_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [scores(str(i), str(i), a=[1.0, 2.0, 3.0, 4.0], b=[1.0, 3.0, 2.0, 4.0]) for i in range(20)]
    monkeypatch.setattr("headscope.dashboard.pages.methods.comparison.MAX_PAIRS", 16 * 7)
    first, again = compare(runs, 20, 1), compare(runs, 20, 1)
    assert (len(first.runs), first.total) == (7, 20)
    assert first.runs == again.runs
    assert first.runs != tuple(runs[:7])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (signed(-0.004), "0.00"), (signed(0.126), "+0.13"), (signed(-1.5), "−1.50"), (signed(None), "–"),
        (signed(float("nan")), "–"), (interval(-0.5, 0.25), "[−0.50, 0.25]"), (interval(0.1, float("nan")), ""),
        (seconds(0.0123), "12 ms"), (seconds(1.234), "1.23 s"), (seconds(61.4), "61 s"), (seconds(None), "–"),
        (seconds(35e-6), "35 µs"), (seconds(0.0006), "1 ms"),
        (memory(None), "–"), (memory(0), "0 KiB"), (memory(300_000), "293 KiB"), (memory(2**20), "1 MiB"),
        (memory(3 * 2**29), "1.5 GiB"),
    ],
)  # fmt: skip
def test_how_numbers_are_written(said: str, expected: str) -> None:
    assert said == expected
