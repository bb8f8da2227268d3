from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from dash.development.base_component import Component

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import Attribution, ModelInfo, ModelRef, RunStatus, Target, TokenizedText, TokenTrace
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
from headscope.storage.rows import ArtifactRow, Offences, RunDetail, RunRow
from tests.unit.dashboard.pages.test_compare_figures import tokenized

WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def text_of(component: Any) -> str:
    """All the text of a component tree, in order."""
    if component is None:
        return ""
    if isinstance(component, str | int | float):
        return str(component)
    if isinstance(component, list | tuple):
        return " ".join(text_of(child) for child in component)
    return text_of(getattr(component, "children", None))


def trace(tokens: TokenizedText, logprobs: list[float]) -> TokenTrace:
    n = len(tokens)
    texts = tuple((" he", " she") for _ in range(n))
    ids = np.tile(np.array([1, 2], dtype=np.int32), (n, 1))
    topk = np.log(np.tile(np.array([0.5, 0.25], dtype=np.float32), (n, 1)))
    entropies = np.full(n, np.nan, dtype=np.float32)
    ranks, values = np.full(n, -1, np.int32), np.array(logprobs, np.float32)
    return TokenTrace(tokens, values, ranks, entropies, ids, topk, texts, 1.0)


def run(name: str = "one", pieces: tuple[str, ...] = ("The", " cat"), **changes: Any) -> RunDetail:
    """A succeeded run of a small model with a trace and one attribution."""
    tokens = tokenized(list(pieces))
    row = RunRow(
        id=name, status=RunStatus.SUCCEEDED, experiment_id="e", experiment="exp", model_id="m", model="toy",
        prompt_set="set", prompt_key="p1", text=tokens.text, target=None, foil=None, tags=(), pair_id=None,
        group_name=None, created_at=WHEN, seconds=0.1, n_tokens=len(pieces), mean_surprisal=None, perplexity=None,
        next_token=None,
        next_token_prob=None, next_entropy=None, target_logprob=None, target_rank=None, margin=None, continuation=None,
        error=None, error_kind=None,
    )  # fmt: skip
    info = ModelInfo(ModelRef("toy", weights_sha256="w1"), "Toy", 2, 3, 3, 8, 100, 64, 10, "t1", "folder", "")
    scores = np.arange(len(pieces), dtype=np.float32) - 0.5
    attribution = Attribution("input_x_gradient", "logprob", " he", None, scores, ("position",), True, -1.0,
                              float("nan"), 0.0, {})  # fmt: skip
    detail = RunDetail(
        row, info, ("heads",), 0, {"torch": "2.13", "batch_size": 4, "weights_sha256": "w1"}, "key", None,
        trace(tokens, [float("nan"), *(-float(i) for i in range(1, len(pieces)))]), None, None, None, (attribution,),
        None, (),
    )  # fmt: skip
    return replace(detail, **changes)


def with_start(detail: RunDetail) -> RunDetail:
    """The same run of a tokenizer of another kind, that puts a start token first."""
    assert detail.trace is not None
    old = detail.trace.tokens
    spans = np.concatenate([[[0, 0]], old.char_spans]).astype(np.int32)
    tokens = TokenizedText(
        old.text, np.append(old.ids, 0), ("", *old.texts), spans, np.array([0, *old.words], np.int32),
        np.array([True, *old.special]),
    )  # fmt: skip
    info = replace(detail.model, tokenizer_sha256="t2")
    return replace(detail, model=info, trace=trace(tokens, [float("nan"), *(-1.0 for _ in old.texts)]))


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


class Runs:
    """A store of the runs given, which counts how often it is asked."""

    def __init__(self, *details: RunDetail) -> None:
        self.details, self.asked = {detail.row.id: detail for detail in details}, 0

    def run(self, run_id: str) -> RunDetail:
        self.asked += 1
        if run_id not in self.details:
            raise UnknownNameError("run", run_id, self.details)
        return self.details[run_id]

    def runs(self, ids: list[str]) -> tuple[RunRow, ...]:
        return tuple(self.details[id_].row for id_ in ids if id_ in self.details)

    def attention(self, run_id: str) -> Any:
        return None

    def offensive(self, ids: list[str]) -> Offences:
        return {}


READER = RecentRuns(Runs())  # type: ignore[arg-type]
"""For cards of runs that keep no attention."""
VIEWS = {item.id: item.view for item in CARDS}


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


def test_the_cards_of_one_page_read_each_run_once() -> None:
    store = Runs(run("a"), run("b"))
    runs = RecentRuns(store)  # type: ignore[arg-type]
    for _ in range(5):
        cards.compare(runs, CompareQuery(a="a", b="b"), VIEWS["compare-facts"])
    assert store.asked == 2
    assert cards.compare(runs, CompareQuery(a="a"), VIEWS["compare-facts"]) is None
    assert cards.compare(runs, CompareQuery(a="a", b="gone"), VIEWS["compare-facts"]) is None
    assert "There is no run gone" in text_of(cards.pickers_view(store, CompareQuery(a="a", b="gone")))  # type: ignore[arg-type]


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
