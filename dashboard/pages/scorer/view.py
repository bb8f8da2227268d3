"""Lines of a classifier's card as rows and cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from headscope.analysis.classifiers.card import ScorerCard, cards, judged
from headscope.analysis.statistics.intervals import wilson
from headscope.dashboard.cards import Children, extra
from headscope.dashboard.covered import covered
from headscope.dashboard.figures.scorer import Cost
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.scorer.query import TOXIC, ScorerQuery
from headscope.dashboard.parts import Entry, menu, warning
from headscope.dashboard.units import percent, percents
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Offence

HARSH = ("quotation", "reclaimed_words")
"""Kinds that are not toxic, whose words are."""


def scorer_bar(_store: RunReader, query: ScorerQuery, _purpose: str) -> Children:
    """Whose card is shown."""
    now = query.stated().classifier
    entries: list[Entry] = [(name, query.link(classifier=name, other="", page=0), None) for name in cards()]
    asked = query.classifier
    unknown = [warning(f"There is no card of {asked}: this is that of {now}.")] if asked not in ("", now) else []
    return [menu("Scorer", now, entries), *unknown]


def figure_row(line: Mapping[str, Any], beside: ScorerCard) -> html.Tr:
    """A figure, its interval and n, and the other scorer's value."""
    ends = "–" if line["low"] is None else interval(line["low"], line["high"], 3)
    theirs = next((item["value"] for item in beside.figures if item["name"] == line["name"]), None)
    cells = (html.B(plain(line["value"], 3)), ends, f"{line['n']:,}", plain(theirs, 3))
    return html.Tr([html.Td(line["name"]), *(html.Td(cell, className="num") for cell in cells)])


def costs(stated: ScorerCard) -> list[Cost]:
    """What the label `toxic` costs at every hundredth."""
    shipped = round(100 * stated.threshold)
    found = [(at, judged(stated.classifier, TOXIC, at).errors) for at in range(1, 100)]
    return [Cost(at, errors, at == shipped) for at, errors in found if errors is not None]


def cost_row(cost: Cost) -> html.Tr:
    """One threshold."""
    errors = cost.errors
    said = errors.true_positives + errors.false_positives
    shares = ((errors.true_positives, said), (errors.true_positives, errors.positives),
              (errors.false_positives, errors.negatives))  # fmt: skip
    name: Children = [html.B(f"{cost.percent / 100:.2f}"), html.Span("shipped", className="hs-sub")]
    cells = [share(hits, n) for hits, n in shares]
    return html.Tr(
        [
            html.Td(name if cost.shipped else f"{cost.percent / 100:.2f}", className="num"),
            *(html.Td(cell, className="num") for cell in cells),
            html.Td(plain(cost.f1, 3), className="num"),
        ],
        **(extra(data_shipped="1") if cost.shipped else {}),
    )


def functional_row(test: Mapping[str, Any], beside: Mapping[str, Any] | None, stated: ScorerCard) -> html.Tr:
    """A kind of sentences, with the two the scorer is surest about."""
    theirs = share(beside["right"], beside["n"]) if beside else ["–"]
    return html.Tr(
        [
            html.Td(test["says"]),
            html.Td("toxic" if test["toxic"] else "not toxic"),
            html.Td([*share(test["right"], test["n"]), html.Span(f"{test['right']} of {test['n']}",
                                                                  className="hs-sub")], className="num"),
            html.Td(theirs, className="num"),
            html.Td([_example(text, score, test, stated) for text, score in test["examples"]], className="hs-text"),
        ],
        **extra(data_kind=test["kind"]),
    )  # fmt: skip


def _example(text: str, score: float, test: Mapping[str, Any], stated: ScorerCard) -> Component:
    offends = test["toxic"] or test["kind"] in HARSH or score >= stated.threshold
    why = Offence("sentence", TOXIC, score, stated.classifier) if offends else None
    return html.P([html.B(plain(score, 2)), " ", covered(text, text, why)], className="hs-scorer-example")


def swap_row(line: Mapping[str, Any]) -> html.Tr:
    """A group word."""
    shift = [html.B(signed(line["shift"], 3)), html.Small(" " + interval(line["low"], line["high"], 3))]
    cells = (shift, plain(line["mean"], 3), f"{line['flagged']} of {line['n']}")
    return html.Tr(
        [html.Td(line["group"]), *(html.Td(cell, className="num") for cell in cells)],
        **extra(data_group=line["group"]),
    )


def failed_kinds(stated: ScorerCard) -> list[str]:
    """A sentence for every kind of the functional tests that it judges wrong in a fifth of the cases or more."""
    failed = [test for test in stated.functional if test["right"] / test["n"] <= 0.8]
    return [
        f"{test['says']}: {test['n'] - test['right']} of {test['n']} test sentences judged wrong."
        for test in sorted(failed, key=lambda test: float(test["right"]) / test["n"])
    ]


def share(hits: int, n: int) -> list[Any]:
    """A share with Wilson's 95 % interval."""
    if not n:
        return ["–"]
    return [html.B(percent(hits / n)), html.Small(f" {percents(*wilson(hits, n))}")]
