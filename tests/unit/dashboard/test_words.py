"""Counts, minus signs and tokens as pages write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headscope.dashboard.text import quoted, visible
from headscope.dashboard.words import plural, shape, true_minus

TWINS = {"plural": plural, "true_minus": true_minus, "visible": visible, "quoted": quoted}
TABLE = json.loads((Path(__file__).parents[2] / "js/words.json").read_text(encoding="utf-8"))
"""Of what scripts write likewise: tests/js/dom.test.js holds them to it."""


@pytest.mark.parametrize("name", TWINS)
def test_python_and_script_write_the_same(name: str) -> None:
    assert [TWINS[name](*given) for given, _ in TABLE[name]] == [wanted for _, wanted in TABLE[name]]


def test_some_plurals_are_more_than_an_s() -> None:
    assert (plural(1, "query", "queries"), plural(2, "query", "queries")) == ("1 query", "2 queries")
    assert (shape(12, 1), shape(1, 12)) == ("12 layers × 1 head", "1 layer × 12 heads")


def test_no_token_is_a_dash() -> None:
    assert visible(None) == "–"
