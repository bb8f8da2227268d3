"""Runs of models behind an API: tokens without ids are matched by their text, and what was not told says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.statistics.divergence import js_bounds
from headscope.analysis.types import Target
from headscope.dashboard.api.export import token_table
from headscope.dashboard.pages.compare.across import across_view
from headscope.dashboard.pages.compare.across_measures import aligned_runs, measured
from headscope.dashboard.pages.compare.cards import CARDS, candidates
from headscope.dashboard.pages.compare.facts import tokenizers
from headscope.dashboard.pages.compare.numbers import candidate_union
from headscope.dashboard.pages.compare.pair import Pair
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.run.header import headline
from headscope.dashboard.pages.run.tokens import candidates as candidates_at
from tests.compare_runs import Runs, behind_api, run
from tests.page_parts import text_of

READER = RecentRuns(Runs())  # type: ignore[arg-type]
VIEWS = {item.id: item.view for item in CARDS}
EXPECTED_A, EXPECTED_B = {" Paris": 0.6, " London": 0.2, " the": 0.1}, {" London": 0.9, " Paris": 0.05}
TARGET = Target(-1, " Paris", 1, "given", float(np.log(0.6)), 1, foil_text=" London", foil_logprob=float(np.log(0.2)))
A, B = behind_api("a", EXPECTED_A, target=TARGET), behind_api("b", EXPECTED_B)


def test_next_tokens_without_ids_are_matched_by_their_text() -> None:
    assert A.trace is not None
    assert B.trace is not None
    assert tokenizers(A, B) == tokenizers(A, run()) == "unknown"
    rows = {row.text: row for row in candidate_union(A.trace, B.trace, False, (A.target, None))}
    assert {text: (row.prob_a, row.prob_b, row.role) for text, row in rows.items()} == {
        " Paris": (pytest.approx(0.6), pytest.approx(0.05), "target"),
        " London": (pytest.approx(0.2), pytest.approx(0.9), "foil"),
        " the": (pytest.approx(0.1), pytest.approx(np.nan, nan_ok=True), ""),
    }
    shown = text_of(candidates(READER, CompareQuery(), Pair(A, B)))
    assert "60.0 % #1 5.00 % #2" in shown
    assert "20.0 % #2 90.0 % #1" in shown
    assert "the ids of a model behind an API are not known" in shown
    assert "the tokenizers differ" not in shown


def test_divergence_of_the_last_word_is_that_of_the_texts() -> None:
    many = aligned_runs((A, B))
    assert many is not None
    found, said = measured(READER, CompareQuery(), many)
    assert np.isnan(found.values[:, 0]).all()  # nothing is told of what was expected within the text
    assert found.values[1, 1] == pytest.approx(js_bounds(EXPECTED_A, EXPECTED_B).low)
    assert found.values[1, 1] > 0.3
    assert "their ids are not known" in " ".join(said)


def test_surprisal_that_was_not_told_is_not_unchanged() -> None:
    both = text_of(VIEWS["compare-surprisal"](READER, CompareQuery(), Pair(A, B)))
    assert both.count("behind an API, which tells nothing") == 2
    assert "nchanged" not in both
    assert "0 bits" not in both
    one = text_of(VIEWS["compare-surprisal"](READER, CompareQuery(), Pair(run("c"), B)))
    assert "Run B has no surprisal: its model is behind an API" in one
    assert "1.4" in one  # what A has is shown
    across = text_of(across_view(READER, CompareQuery(across="surprisal"), (A, B)))
    assert "No run has a number for surprisal" in across


def test_cards_about_the_inside_say_that_there_is_none() -> None:
    for id_ in ("compare-attention", "compare-heads", "compare-lens"):
        shown = text_of(VIEWS[id_](READER, CompareQuery(), Pair(A, run("c"))))
        assert "Run A has no" in shown, id_
        assert "behind an API" in shown, id_
        both = text_of(VIEWS[id_](READER, CompareQuery(), Pair(A, B)))
        assert "Run the prompt again" not in both, id_
    assert "Run the prompt again" in text_of(VIEWS["compare-lens"](READER, CompareQuery(), Pair(A, run("c"))))


def test_on_the_run_page_only_the_target_is_the_target() -> None:
    assert A.trace is not None
    last = candidates_at(A.trace, 2, TARGET)
    assert [(one.text, one.roles) for one in (*last.top, *last.extra)] == [
        (" Paris", ("target",)), (" London", ("foil",)), (" the", ()),
    ]  # fmt: skip
    untold = candidates_at(A.trace, 2, replace(TARGET, text=" Rome", logprob=float("nan"), rank=-1))
    (extra,) = untold.extra
    assert (extra.text, extra.roles) == (" Rome", ("target",))
    assert np.isnan(extra.prob)
    inside = candidates_at(A.trace, 1)
    assert inside.top == ()
    assert [one.text for one in inside.extra] == [" cat"]


def test_parts_are_not_called_tokens() -> None:
    assert "Parts" in text_of(headline(A))
    assert "Tokens" not in text_of(headline(A))
    assert "Tokens" in text_of(headline(run()))


def test_ids_that_are_not_known_are_empty_in_a_file() -> None:
    assert token_table(A).column("token_id").to_pylist() == [None, None]
    assert None not in token_table(run()).column("token_id").to_pylist()
