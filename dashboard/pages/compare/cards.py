"""The cards of a comparison: from two runs and the link's state to what stands in the card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.attribution.results import word_rule
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import HEAD_STATS, Attribution
from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, download_menu, drawn, empty_box, guarded
from headscope.dashboard.covered import bar, hidden
from headscope.dashboard.layout import notes_box
from headscope.dashboard.links import MOST_COMPARED
from headscope.dashboard.pages.compare.across import across_actions, across_view
from headscope.dashboard.pages.compare.attention import attention_view
from headscope.dashboard.pages.compare.candidates import candidates_view
from headscope.dashboard.pages.compare.columns import units_view
from headscope.dashboard.pages.compare.facts import facts
from headscope.dashboard.pages.compare.heads import heads_view
from headscope.dashboard.pages.compare.lens import lens_view
from headscope.dashboard.pages.compare.margins import margins_view
from headscope.dashboard.pages.compare.numbers import candidate_union, group_scores, largest, shares, surprisal_bits
from headscope.dashboard.pages.compare.pair import Aligned, Pair, aligned, attribution, methods
from headscope.dashboard.pages.compare.picker import further, picker
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.summary import summary_view
from headscope.dashboard.pages.compare.surprisal import surprisal_notes, without_surprisal
from headscope.dashboard.pages.compare.view import facts_view, open_links, options, select, sentences
from headscope.dashboard.text import quoted
from headscope.dashboard.units import per_bit, percent

SUMMARY_FILE, WORDS_FILE = "summary.csv", "words.csv"
SURPRISAL_THRESHOLD_BITS = 0.1
SCORE_THRESHOLD = 0.05  # of the largest score of both runs
View = Callable[[RecentRuns, CompareQuery, Pair], Children]


@dataclass(frozen=True, slots=True)
class CompareCard:
    """One card: its element, heading, the part of the link it follows (`compare-FOLLOWS-query` holds it), and what
    stands in it for two runs; a `view` that gives None hides it. `words`: it shows what the texts say, and so nothing
    of runs that are covered. `pictured`: it is offered as a picture."""

    id: str
    title: str
    subtitle: str
    follows: str
    view: View
    actions: View | None = None
    words: bool = True
    pictured: bool = True


def show_facts(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """The margins, or why one run has nothing to compare; warnings, and the facts that differ."""
    unfinished = pair.gaps("measurements", "trace")
    return [
        *([sentences(unfinished)] if unfinished else margins_view(pair)),
        *facts_view(facts(pair.a, pair.b), query.all),
    ]


def surprisal(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """Surprisal of every aligned unit."""
    data = aligned(pair)
    if data is None:
        return None
    factor = per_bit(query.unit)
    a = factor * surprisal_bits(data.a.logprobs, data.ranges_a)
    b = factor * surprisal_bits(data.b.logprobs, data.ranges_b)
    lacking = without_surprisal({"A": pair.a, "B": pair.b})
    if len(lacking) == 2:
        return sentences(lacking)
    threshold = factor * SURPRISAL_THRESHOLD_BITS
    said = f"Unchanged: the same text, and at most {threshold:.2g} {query.unit} apart."
    said_first = [*lacking, *surprisal_notes({"A": pair.a, "B": pair.b})]
    notes = [html.P(note, className="hs-compare-warning") for note in said_first]
    return [*notes, *units_view(data, a, b, everything=query.all, threshold=threshold, is_signed=False,
                                unit=query.unit),
            html.P(said, className="hs-muted")]  # fmt: skip


def candidates(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """Next-token candidates of both runs."""
    a, b = pair.a.trace, pair.b.trace
    if a is None or b is None:
        return None
    rows = candidate_union(a, b, pair.tokenizers == "same", (pair.a.target, pair.b.target))
    return candidates_view(rows, query.all, pair.tokenizers)


def scores(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """One attribution method on aligned units."""
    names, data = methods(pair), aligned(pair)
    if data is None:
        return None
    if not names:
        return sentences(pair.gaps("attributions", "attributions"))
    method = query.method if query.method in names else names[0]
    a, b = attribution(pair.a, method), attribution(pair.b, method)
    if a is None or b is None or a.error or b.error:
        return sentences(_without_scores(method, a, b))
    return _scores(query, data, a, b, _by_share(query, pair))


def _by_share(query: CompareQuery, pair: Pair) -> bool:
    """Scores of two models have no common scale, so they are compared as shares unless asked otherwise."""
    return query.scale == "share" or (query.scale == "auto" and not pair.same_model)


def _without_scores(method: str, a: Attribution | None, b: Attribution | None) -> list[str]:
    reasons = [(name, "it was made without it" if one is None else one.error) for name, one in (("A", a), ("B", b))]
    return [f"Run {name} has no {method.replace('_', ' ')}: {reason}." for name, reason in reasons if reason]


def _scores(query: CompareQuery, data: Aligned, a: Attribution, b: Attribution, share: bool) -> Children:
    values_a, values_b = (shares(one.scores) if share else one.scores for one in (a, b))
    units_a, units_b = (
        group_scores(values, ranges, word_rule(one))
        for one, values, ranges in ((a, values_a, data.ranges_a), (b, values_b, data.ranges_b))
    )
    view = units_view(
        data,
        units_a,
        units_b,
        everything=query.all,
        threshold=SCORE_THRESHOLD * largest(units_a, units_b),
        is_signed=a.signed or b.signed,
        unit="of the sum of |scores|" if share else "",
    )
    limit = f"Unchanged: the same text, and at most {percent(SCORE_THRESHOLD)} of the largest score apart."
    unsure = [name for name, one in (("A", a), ("B", b)) if one.outcome.converged is False]
    if unsure:
        said = f"The scores of {' and '.join(unsure)} did not converge: small differences mean nothing."
        view = [html.P(said, className="hs-compare-warning"), *view]
    if (a.quantity, a.target, a.foil) == (b.quantity, b.target, b.foil):
        return [*view, html.P(f"Both explain {_question(a)}. {limit}", className="hs-muted")]
    warning = (
        f"The runs explain different things, A {_question(a)} and B {_question(b)}: their scores answer different "
        "questions."
    )
    return [html.P(warning, className="hs-compare-warning"), *view, html.P(limit, className="hs-muted")]


def _question(one: Attribution) -> str:
    return f"{quoted(one.target)} rather than {quoted(one.foil)}" if one.foil else quoted(one.target)


def _open(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return open_links(pair.a.row.id, pair.b.row.id)


def _units(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return options("unit", [("bits", "bits"), ("nats", "nats")], query.unit, "Unit")


def _score_actions(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    names = methods(pair)
    if not names:
        return None
    now = query.method if query.method in names else names[0]
    scale = "share" if _by_share(query, pair) else "raw"
    return [select("method", "Method", [(name, name.replace("_", " ")) for name in names], now),
            options("scale", [("raw", "as measured"), ("share", "shares")], scale, "Scale")]  # fmt: skip


def _stat_actions(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    now = query.stat if query.stat in HEAD_STATS else HEAD_STATS[0]
    return select("stat", "Statistic", [(name, name.replace("_", " ")) for name in HEAD_STATS], now)


def _heads(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return heads_view(query, pair)


def _lens(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return lens_view(pair)


@guarded("compare all runs")
def across(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """All runs of the link at once."""
    return across_view(runs, query, runs.many(query))


@guarded("compare all runs")
def _across_actions(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    return across_actions(query, runs.many(query))


@guarded("sum up the runs")
def summary(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    """Every run in one row."""
    return summary_view(runs, query, runs.many(query))


def _downloads(runs: RecentRuns, query: CompareQuery, pair: Pair) -> Children:
    files = (("Summary, CSV", SUMMARY_FILE), ("Every word, CSV", WORDS_FILE))
    return download_menu([Download(label, href=links.compare_file(name, query)) for label, name in files])


CARDS = (
    CompareCard("compare-summary", "Summary", "Every run beside A, the reference.", "summary", summary, _downloads,
                pictured=False),
    CompareCard("compare-across", "All runs", "One number for every run and word, words as in A.", "across", across,
                _across_actions),
    CompareCard("compare-facts", "What differs", "Input, model and configuration of A and B.", "facts", show_facts,
                _open, pictured=False),
    CompareCard("compare-surprisal", "Surprisal",
                "How unexpected each part of the text was: the sum over its tokens.", "surprisal", surprisal, _units),
    CompareCard("compare-candidates", "Next token", "What each side expects after its whole text.", "facts",
                candidates),
    CompareCard("compare-lens", "Logit lens",
                "Target and foil as each layer would say them next, at the end of the text.", "lens", _lens),
    CompareCard("compare-scores", "Attribution", "What the explained token rests on.", "scores", scores,
                _score_actions),
    CompareCard("compare-attention", "Attention of one head", "Where it reads from, on units both runs have.",
                "attention", attention_view),
    CompareCard("compare-heads", "All heads", "One statistic of every head; click a head to see its attention.",
                "heads", _heads, _stat_actions, words=False),
)  # fmt: skip


def content(item: CompareCard, runs: RecentRuns, search: str | None) -> tuple[Children, Children]:
    """A card's body and actions for a query string. Texts are aligned by their words, so an offensive one that is
    covered is not compared."""
    query = CompareQuery.from_query(search or "")
    if item.words and hidden(runs.offences(query)):
        return None, None
    body, actions = compare(runs, query, item.view), compare(runs, query, item.actions) if item.actions else None
    if not (item.pictured and drawn(body)):
        return body, actions
    return body, [*(actions if isinstance(actions, list) else [actions]), download_menu(PICTURES, item.id)]


@guarded("compare the runs")
def compare(runs: RecentRuns, query: CompareQuery, view: View) -> Children:
    """One of them; nothing while a run is not chosen, or is not there (the pickers say so)."""
    try:
        pair = runs.pair(query)
    except UnknownNameError:
        return None
    return None if pair is None else view(runs, query, pair)


@guarded("show the runs")
def pickers_view(runs: RecentRuns, query: CompareQuery) -> Children:
    """The pickers, with what is chosen; an id that is not in the store says so."""
    asked = [id_ for id_ in (query.a, query.b, *query.further) if id_]
    rows = {row.id: row for row in runs.store.runs(asked)}
    lost = [f"There is no run {id_} in this store: choose another." for id_ in asked if id_ not in rows]
    found = runs.offences(query)
    why = hidden(found)
    pickers = [picker("a", "A", rows.get(query.a), why), picker("b", "B", rows.get(query.b), why)]
    if query.a not in rows or query.b not in rows:
        return [notes_box(lost), *pickers, *([] if lost else [_invitation()])]
    more = further([rows[id_] for id_ in query.further if id_ in rows], MOST_COMPARED, why)
    return [notes_box(lost), *pickers, more, bar(found, "Cards that show words wait until you show it.")]


def _invitation() -> Component:
    return empty_box(
        "Choose two runs",
        html.P("The same text on two models shows what the models make of it; two texts on one model show what a "
               "change of words does. Once one run is chosen, its counterparts are offered first."),
        html.P(["You can also select 2 to 20 rows among the ", dcc.Link("runs", href=links.RUNS), " and press ",
                html.Kbd("c"), "."]),
        icon_name="layout-split",
    )  # fmt: skip
