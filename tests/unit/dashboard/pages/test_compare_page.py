from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dash.development.base_component import Component

from headscope.analysis.types import ModelRef, RunStatus, Target
from headscope.analysis.types.outcome import Outcome
from headscope.dashboard.numbers import decimals_for, fixed, signed, significant_signed
from headscope.dashboard.pages.compare import cards, page
from headscope.dashboard.pages.compare.across import across_view
from headscope.dashboard.pages.compare.cards import CARDS, candidates, scores
from headscope.dashboard.pages.compare.facts import facts, missing, warnings
from headscope.dashboard.pages.compare.pair import Pair, head
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.live import page as live
from headscope.dashboard.pages.live.query import LiveQuery
from headscope.dashboard.units import probability
from headscope.storage.rows import ArtifactRow
from tests.compare_runs import Runs, run, with_start
from tests.page_parts import text_of

READER = RecentRuns(Runs())  # type: ignore[arg-type]
"""For cards of runs that keep no attention."""
VIEWS = {item.id: item.view for item in CARDS}


def test_surprisals_that_do_not_compare_say_so_and_others_do_not() -> None:
    view, across = VIEWS["compare-surprisal"], CompareQuery(across="surprisal")
    one, other, started = run("one"), run("other"), with_start(run("third"))
    alike = text_of(view(READER, CompareQuery(), Pair(one, other)))
    assert "Pimentel" not in alike
    assert "start token" not in alike
    apart = text_of(view(READER, CompareQuery(), Pair(one, started)))
    assert "Pimentel and Meister 2024" in apart
    assert "B begins with a start token, A does not" in apart
    three = text_of(across_view(READER, across, (one, other, started)))
    assert "Pimentel and Meister 2024" in three
    assert "C begins with a start token, A and B do not" in three
    both = text_of(across_view(READER, CompareQuery(), (started, started)))
    assert "start token" not in both


@pytest.mark.parametrize(
    "query",
    [
        CompareQuery(),
        CompareQuery(a="x", b="y", all=True, unit="nats", method="saliency", scale="share", la=3, hb=1),
    ],
)
def test_compare_state_survives_the_link(query: CompareQuery) -> None:
    assert CompareQuery.from_query(query.to_query()) == query


def test_live_state_survives_the_link_with_its_spaces() -> None:
    query = LiveQuery(
        model="m", text="a  b\n🦊 & c=d", target=" she", foil=" he", position=4, layer=2, view="links", spaces=True
    )
    assert LiveQuery.from_query(query.to_query()) == query


def test_pages_render_for_any_query() -> None:
    for module in (live, page):
        for query in ({}, {"text": "x", "layer": "-1", "la": "many", "colour": "odd", "position": "0"}):
            rendered = module.layout(**query)
            assert isinstance(rendered, Component)
            json.dumps(rendered.to_plotly_json(), default=lambda value: value.to_plotly_json())
    assert "“layer”" in text_of(live.layout(layer="-1"))


def test_only_a_different_configuration_is_a_warning() -> None:
    a = run()
    assert warnings(facts(a, run("two", ("The", " dog")))) == ()
    assert warnings(facts(a, replace(a, capsule={**a.capsule, "batch_size": 16}))) == ()
    said = warnings(facts(a, replace(a, capsule={**a.capsule, "torch": "2.14"})))
    assert len(said) == 1
    assert "torch" in said[0]


def test_two_changes_at_once_and_a_model_that_is_not_the_same_are_pointed_out() -> None:
    a = run()
    other = replace(a.model, ref=ModelRef("other", weights_sha256="w2"))
    assert "Both the model and the text differ" in warnings(facts(a, run("two", ("A", " dog"), model=other)))[0]
    impostor = replace(a.model, ref=ModelRef("toy", weights_sha256="w2"))
    assert "not the same" in warnings(facts(a, run("two", model=impostor)))[0]


def test_what_a_method_found_is_not_how_it_was_set() -> None:
    a = run()
    moved = tuple(replace(one, params={"rule": "adaptive"}, outcome=Outcome(True, 9)) for one in a.attributions)
    more = tuple(replace(one, outcome=Outcome(False, 17)) for one in moved)
    assert warnings(facts(replace(a, attributions=moved), replace(a, attributions=more))) == ()
    told = tuple(replace(one, params={"rule": "adaptive", "n_steps": 50}) for one in a.attributions)
    assert warnings(facts(replace(a, attributions=moved), replace(a, attributions=told))) == ()
    fixed = tuple(replace(one, params={"rule": "riemann_middle"}) for one in a.attributions)
    assert "settings" in warnings(facts(replace(a, attributions=told), replace(a, attributions=fixed)))[0]


@pytest.mark.parametrize(
    ("status", "words"),
    [(RunStatus.FAILED, "failed"), (RunStatus.RUNNING, "still running"), (RunStatus.CANCELLED, "cancelled"),
     (RunStatus.SUCCEEDED, "without that analysis")],
)  # fmt: skip
def test_every_reason_for_a_gap_is_told_apart(status: RunStatus, words: str) -> None:
    detail = run()
    assert words in missing("B", replace(detail, row=replace(detail.row, status=status)), "tokens")


def test_cards_of_two_texts() -> None:
    pair = Pair(run("a", ("The", " cat", " sat")), run("b", ("The", " dog", " sat")))
    shown = text_of(VIEWS["compare-surprisal"](READER, CompareQuery(unit="nats"), pair))
    assert "cat" in shown
    assert "dog" in shown
    assert "nats" in shown
    assert "agree to within" in text_of(candidates(READER, CompareQuery(), pair))
    assert "Both explain" in text_of(VIEWS["compare-scores"](READER, CompareQuery(), pair))


def test_unchanged_units_fold_unless_everything_is_asked_for() -> None:
    pair = Pair(run("a", ("The", " cat", " sat", " down")), run("b", ("The", " cat", " sat", " down")))
    view = VIEWS["compare-surprisal"]
    assert "4 unchanged" in text_of(view(READER, CompareQuery(), pair))
    assert "unchanged" not in text_of(view(READER, CompareQuery(all=True), pair)[0])


def test_scores_of_different_questions_and_of_no_convergence_carry_a_warning() -> None:
    a, b = run("a"), run("b")
    other = replace(b.attributions[0], target=" she", outcome=Outcome(False))
    shown = text_of(VIEWS["compare-scores"](READER, CompareQuery(), Pair(a, replace(b, attributions=(other,)))))
    assert "answer different questions" in shown
    assert "B “␣she”" in shown
    assert "scores of B did not converge" in shown


def test_a_failed_run_is_said_once_and_a_missing_analysis_in_its_card() -> None:
    failed = run("b", trace=None, attributions=())
    failed = replace(failed, row=replace(failed.row, status=RunStatus.FAILED, error="it was empty."))
    pair = Pair(run("a"), failed)
    assert "it was empty." in text_of(VIEWS["compare-facts"](READER, CompareQuery(), pair))
    for name in ("compare-surprisal", "compare-scores", "compare-attention", "compare-heads"):
        assert VIEWS[name](READER, CompareQuery(), pair) is None
    whole = Pair(run("a"), run("b"))
    assert "attention pattern" in text_of(VIEWS["compare-attention"](READER, CompareQuery(), whole))
    assert "head summaries" in text_of(VIEWS["compare-heads"](READER, CompareQuery(), whole))
    assert next(item.actions for item in CARDS if item.view is scores)(READER, CompareQuery(), whole)


def test_b_follows_a_until_it_is_set_apart_and_stays_inside_its_model() -> None:
    pair = Pair(run("a"), run("b"))
    assert head(CompareQuery(la=1, ha=2), pair) == ((1, 2), (1, 2))
    assert head(CompareQuery(la=1, ha=2, hb=0), pair) == ((1, 2), (1, 0))
    assert head(CompareQuery(la=90, ha=90), pair) == ((1, 2), (1, 2))
    assert head(CompareQuery(), pair, default=(1, 1)) == ((1, 1), (1, 1))


def test_the_cards_of_one_page_read_its_runs_once_and_together() -> None:
    store = Runs(*map(run, "abcde"))
    runs = RecentRuns(store)  # type: ignore[arg-type]
    for _ in range(5):
        cards.compare(runs, CompareQuery(a="a", b="b"), VIEWS["compare-facts"])
    assert store.asked == 1
    many = runs.many(CompareQuery(a="a", b="b", more="d,c,gone,e"))
    assert [one.row.id for one in many] == ["a", "b", "d", "c", "e"]
    assert store.asked == 2
    assert cards.compare(runs, CompareQuery(a="a"), VIEWS["compare-facts"]) is None
    assert cards.compare(runs, CompareQuery(a="a", b="gone"), VIEWS["compare-facts"]) is None
    assert "There is no run gone" in text_of(cards.pickers_view(runs, CompareQuery(a="a", b="gone")))  # type: ignore[arg-type]


def test_the_change_of_every_head_is_worked_out_once_per_pair_and_each_file_read_once() -> None:
    sizes = (2, 3, 2, 2)
    patterns = {"a": np.tril(np.full(sizes, 0.5)).astype(np.float16), "b": np.tril(np.ones(sizes)).astype(np.float16)}
    one, other = (
        run(name, artifacts=(ArtifactRow("attention", name, sizes, "float16", "tril-f16", 1, name),))
        for name in patterns
    )

    class Attending(Runs):
        def attention(self, run_id: str) -> Any:
            self.asked += 1
            return patterns[run_id]

    store = Attending(one, other)
    runs = RecentRuns(store)  # type: ignore[arg-type]
    first = runs.changes(Pair(one, other))
    assert runs.changes(Pair(one, other)) is first
    np.testing.assert_allclose(first, np.full((2, 3), 0.375))  # queries move 0.5 / 2 and (0.5 + 0.5) / 2
    for query in (CompareQuery(), CompareQuery(la=1, ha=2)):
        assert "Attention moved most in" in text_of(VIEWS["compare-attention"](runs, query, Pair(one, other)))
    runs.changes(Pair(other, one))
    assert store.asked == 2
    shaped = replace(other, model=replace(other.model, n_heads=1))
    assert runs.changes(Pair(one, shaped)) is None
    assert runs.changes(Pair(one, run("c"))) is None


def test_numbers_as_text() -> None:
    assert (fixed(-0.004, 2), fixed(float("nan"), 2), fixed(-1.5, 1)) == ("0.00", "–", "−1.5")
    assert (signed(0.004, 2), signed(0.5, 1), signed(-0.5, 1)) == ("0.00", "+0.5", "−0.5")
    assert (decimals_for(20.7), decimals_for(9.0), decimals_for(0.05), decimals_for(0.0)) == (1, 2, 4, 2)
    assert (probability(0.5), probability(0.005), probability(0.00001)) == ("50.0 %", "0.50 %", "1e-03 %")
    assert (significant_signed(2.0), significant_signed(-2.0)) == ("+2", "−2")


TARGET = Target(7, " Paris", 1, "given", -1.5, 3, 8, " Rome", 1, -2.25, 40)


def test_the_margins_of_both_head_the_page() -> None:
    other = replace(TARGET, logprob=-1.0, foil_logprob=-3.0)
    pair = Pair(run("a", target=TARGET), run("b", target=other))
    shown = text_of(VIEWS["compare-facts"](READER, CompareQuery(), pair))
    for value in ("A +0.750  nats", "B +2.000  nats", "A − B −1.250  nats", "“␣Paris” rather than “␣Rome”"):
        assert value in shown
    bare = replace(TARGET, foil_text=None, foil_id=-1)
    shown = text_of(
        VIEWS["compare-facts"](READER, CompareQuery(), Pair(run("a", target=TARGET), run("b", target=bare)))
    )  # type: ignore[arg-type]
    assert "A − B –" in shown  # a margin and a log-probability have no difference


def test_target_and_foil_are_always_among_the_candidates() -> None:
    pair = Pair(run("a", target=TARGET), run("b", target=TARGET))
    shown = text_of(candidates(READER, CompareQuery(), pair))
    assert "“␣Paris” target" in shown
    assert "22.3 % #3" in shown
    assert "“␣Rome” foil" in shown
    assert "#40" in shown
