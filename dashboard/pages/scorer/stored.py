"""The cards of the Scorer audit page about stored runs: texts that two scorers judged, and what one reads in a text."""

from __future__ import annotations

import shlex

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.classifiers.card import SCORERS, card, cards
from headscope.analysis.statistics.intervals import wilson
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, extra
from headscope.dashboard.covered import covered
from headscope.dashboard.numbers import plain, signed
from headscope.dashboard.pages.scorer.query import HOW, LISTED, TOXIC, ScorerQuery, judges, pair
from headscope.dashboard.parts import Entry, menu, note, stay, switch
from headscope.dashboard.scoped.bar import offered
from headscope.dashboard.scorer_tokens import marked, scorer_tokens
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.units import percent, percents
from headscope.dashboard.words import plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Disagreements, Offence, ScoredText, ScoreFilter, ScorerPair, TextChoice, TwiceScored

EXPLAINED = 6
WHICH = (("all", "all"), ("apart", "on opposite sides"))


def disagreement(services: Services, query: ScorerQuery) -> Children:
    """Texts by how far the scores of two classifiers lie apart."""
    judged = judges(services.store, query)
    chosen = pair(query, judged)
    within = _experiments(services.store, query)
    if chosen is None:
        return _one_scorer(query, judged), [within]
    apart = query.which == "apart"
    found = services.store.disagreements(query.where(), chosen, apart=apart, offset=query.page * LISTED, limit=LISTED)
    others: list[Entry] = [
        (name, query.link(other=name, page=0), count) for name, count in judged.items() if name != chosen.first
    ]
    actions = [within, menu("Beside", chosen.second, others), switch("which", query, WHICH, "Texts")]
    if not found.n:
        return empty_box("No text in common", html.P("The two judged different texts.")), actions
    body = [
        _said(chosen, found),
        table(("Difference>", f"{chosen.first}>", f"{chosen.second}>", "Text", "Of"),
              [_twice_row(row, chosen) for row in found.rows]),
        *_pages(query, found.total),
        note("Scores of the label “toxic”, the largest difference first. Wilson's 95 % interval over texts.",
             *_unknown(chosen)),
    ]  # fmt: skip
    return body, actions


def evidence(services: Services, query: ScorerQuery) -> Children:
    """The highest-scored stored texts, with the words that made the classifier say so."""
    stated, where = query.stated(), ScoreFilter(query.where())
    choice = TextChoice(stated.classifier, TOXIC, lowest=min(0.5, stated.threshold))
    rows, _ = services.store.toxic_texts(where, choice, 0, 4 * EXPLAINED)
    explained = [row for row in rows if row.evidence][:EXPLAINED]
    ask = [html.P("Of a text of yours: “Try a text” above, or on the command line:", className="hs-said"),
           copyable("headscope toxicity score --explain TEXT")]  # fmt: skip
    if not explained:
        return [empty_box("No text was explained",
                          html.P("The words are stored with texts that the classifier scores high, where it has "
                                 "gradients.")), *ask]  # fmt: skip
    head = ("Score>", "Text", "Logit>", "Missed>", "Of")
    return [table(head, [_evidence_row(row, stated.classifier) for row in explained]), note(HOW), *ask]


def _experiments(store: RunReader, query: ScorerQuery) -> Component:
    names = [row.name for row in offered(store, query, store.experiments())]
    entries: list[Entry] = [("all", query.link(experiment="", page=0), None)]
    entries += [(name, query.link(experiment=name, page=0), None) for name in names]
    return menu("Experiment", query.experiment or "all", entries)


def _one_scorer(query: ScorerQuery, judged: dict[str, int]) -> Component:
    first, shipped = query.stated().classifier, card().classifier
    missing = SCORERS[0] if shipped not in judged else SCORERS[1]
    experiment = shlex.quote(query.experiment) if query.experiment else "NAME"
    who = " and ".join(judged) if judged else "no classifier"
    return empty_box(
        "Nothing to compare",
        html.P(f"These runs were judged by {who}. To see where {first} parts from another, let a second one judge:"),
        copyable(f"headscope score --experiment {experiment} --scorer {missing}"),
        icon_name="clipboard-check",
    )


def _said(chosen: ScorerPair, found: Disagreements) -> html.P:
    ends = percents(*wilson(found.apart, found.n), 1)
    cuts = f"{chosen.first_cut:.2f} and {chosen.second_cut:.2f}"
    said = (
        f" {ends} of {plural(found.n, 'text')} lie on opposite sides of the two thresholds, {cuts} "
        f"({plural(found.apart, 'text')})."
    )
    return html.P([html.B(percent(found.apart / found.n, 1)), said], className="hs-said")


def _unknown(chosen: ScorerPair) -> list[str]:
    """Whose errors nobody measured."""
    names = (name for name in (chosen.first, chosen.second) if name not in cards())
    return [f" {name} has no card here, and its errors are not known: a difference says that one of the two errs, not "
            "which." for name in names]  # fmt: skip


def _twice_row(row: TwiceScored, chosen: ScorerPair) -> html.Tr:
    first, second = row.first >= chosen.first_cut, row.second >= chosen.second_cut
    sides = [name for name, yes in ((chosen.first, first), (chosen.second, second)) if yes]
    why = Offence(row.part, TOXIC, max(row.first, row.second), " and ".join(sides)) if sides else None
    scores = [html.Td(html.B(plain(score)) if yes else plain(score), className="num")
              for score, yes in ((row.first, first), (row.second, second))]  # fmt: skip
    return html.Tr(
        [
            html.Td([signed(row.first - row.second),
                     html.Span("opposite sides", className="hs-sub") if first != second else None], className="num"),
            *scores,
            html.Td(covered(row.text, row.text, why), className="hs-text", **extra(dir="auto")),
            html.Td([dcc.Link(row.prompt_key, href=links.run(row.run_id)),
                     html.Span(f"{row.part} · {row.model}", className="hs-sub")]),
        ]
    )  # fmt: skip


def _evidence_row(row: ScoredText, judge: str) -> html.Tr:
    text = (row.continuation if row.part == "continuation" else row.text) or ""
    known = row.evidence or {}
    content = marked(text, scorer_tokens(known, text)) or [text]
    return html.Tr(
        [
            html.Td(html.B(plain(row.score, 3)), className="num"),
            html.Td(covered(content, text, Offence(row.part, TOXIC, row.score, judge)), className="hs-text"),
            html.Td(plain(known.get("logit")), className="num"),
            html.Td(signed(known.get("convergence_delta")), className="num"),
            html.Td([dcc.Link(row.prompt_key, href=links.run(row.run_id)),
                     html.Span(f"{row.part} · {row.model}", className="hs-sub")]),
        ]
    )  # fmt: skip


def _pages(query: ScorerQuery, total: int) -> list[Component]:
    steps = [("previous", query.page - 1, query.page > 0), ("next", query.page + 1, (query.page + 1) * LISTED < total)]
    shown = [stay(name, query.link(page=page)) for name, page, there in steps if there]
    return [html.P(shown, className="hs-pager")] if shown else []
