"""Counts, minus signs and tokens as pages write them."""

from __future__ import annotations

from headscope.dashboard.text import quoted, visible
from headscope.dashboard.words import plural, shape, true_minus


def test_one_of_a_thing_is_singular() -> None:
    assert (plural(0, "run"), plural(1, "run"), plural(1204, "run")) == ("0 runs", "1 run", "1,204 runs")
    assert (plural(1, "query", "queries"), plural(2, "query", "queries")) == ("1 query", "2 queries")
    assert (shape(12, 1), shape(1, 12)) == ("12 layers × 1 head", "1 layer × 12 heads")


def test_a_minus_is_no_hyphen_but_in_an_exponent() -> None:
    assert (true_minus("-2.03"), true_minus("-1.5e-05"), true_minus("2")) == ("−2.03", "−1.5e-05", "2")


def test_white_space_of_a_token_is_seen() -> None:
    assert (quoted(" Paris"), quoted("\n"), quoted("\r\t")) == ("“␣Paris”", "“⏎”", "“␍⇥”")
    assert quoted(" photosynthesis", 7) == "“␣photo…”"
    assert quoted("") == "(rest of the character before)"
    assert (visible(None), visible("a b")) == ("–", "a␣b")
