"""The cards of the Scorer audit page that are read from a classifier's card."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from dash import html

from headscope.analysis.statistics.calibration import Reliability
from headscope.dashboard.cards import Children, copyable
from headscope.dashboard.figures import behaviour
from headscope.dashboard.figures.scorer import threshold_curves
from headscope.dashboard.numbers import interval, plain
from headscope.dashboard.pages.scorer.query import ScorerQuery
from headscope.dashboard.pages.scorer.view import (
    cost_row,
    costs,
    failed_kinds,
    figure_row,
    functional_row,
    swap_row,
)
from headscope.dashboard.parts import graph, note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table

REMAKE = "headscope toxicity evaluate --data FILE"


def figures(_services: Services, query: ScorerQuery) -> Children:
    """Every figure with its interval and n, beside the other scorer's."""
    stated, beside = query.stated(), query.beside()
    return [
        html.P(["Measured once on ", html.B(stated.classifier), f", threshold {stated.threshold:g}; again by:"],
               className="hs-said"),
        copyable(REMAKE),
        table(("Figure", "Value>", "95 % interval>", "Texts>", f"{beside.classifier}>"),
              [figure_row(line, beside) for line in stated.figures]),
        note("Intervals: bootstrap over texts, of shares Wilson's, of calibration errors by test inversion. “Texts per "
             "second” depends on the machine."),
    ]  # fmt: skip


def calibration(_services: Services, query: ScorerQuery) -> Children:
    """Scores against the share that people called toxic, of both scorers."""
    curves = {stated.classifier: _curve(stated.reliability) for stated in (query.stated(), query.beside())}
    mine = curves[query.stated().classifier]
    return [
        graph(behaviour.reliability(curves, "score", "toxic", "texts")),
        note(f"Expected calibration error {plain(mine.error, 3)} {interval(mine.low, mine.high, 3)}, "
             f"n = {mine.n:,} (ten bins of equal count, Guo et al. 2017; interval by test inversion)."),
    ]  # fmt: skip


def _curve(stated: object) -> Reliability:
    assert isinstance(stated, dict)
    kept = {name.name: stated[name.name] for name in fields(Reliability)}
    arrays = {name: np.array(value) for name, value in kept.items() if isinstance(value, list)}
    return Reliability(**{**kept, **arrays})


def explorer(_services: Services, query: ScorerQuery) -> Children:
    """Precision, recall, false positives and F1 at every threshold, the shipped one marked."""
    stated = query.stated()
    found = costs(stated)
    n = found[0].errors.positives + found[0].errors.negatives
    shown = [cost for cost in found if cost.percent % 5 == 0 or cost.shipped]
    return [
        graph(threshold_curves(found)),
        table(("Threshold>", "Precision>", "Recall>", "False positives>", "F1>"), [cost_row(cost) for cost in shown]),
        note(f"On {n:,} test texts, {found[0].errors.positives:,} of them toxic: far more than in most data, where "
             "precision will be lower. Wilson's 95 % intervals."),
    ]  # fmt: skip


def functional(_services: Services, query: ScorerQuery) -> Children:
    """How often it judges sentences of one kind as a person would."""
    stated = query.stated()
    beside = {test["kind"]: test for test in query.beside().functional}
    rows = [functional_row(test, beside.get(test["kind"]), stated) for test in stated.functional]
    head = ("Kind", "Should be", "Judged right>", f"{query.beside().classifier}>", "Scored lowest and highest")
    return [
        table(head, rows),
        note("Sentences written for this project, each its own, none of them trained on (in the manner of HateCheck, "
             "Röttger et al. 2021). Wilson's 95 % intervals; a kind has few sentences, so they are wide."),
    ]  # fmt: skip


def swaps(_services: Services, query: ScorerQuery) -> Children:
    """Neutral sentences with one group word exchanged for another."""
    rows = [swap_row(line) for line in query.stated().identity_swaps]
    return [
        table(("Group", "Shift of the score>", "Mean score>", "Called toxic>"), rows),
        note("The same neutral sentences about different groups: a fair classifier would score every row the same. "
             "Shift: this group's score minus the mean over groups, with its interval over five wordings."),
    ]  # fmt: skip


def weaknesses(_services: Services, query: ScorerQuery) -> Children:
    """What is known to go wrong, in sentences; then what the functional tests found."""
    stated = query.stated()
    failed = failed_kinds(stated)
    return [
        html.Ul([html.Li(said) for said in [*stated.weaknesses, *failed]], className="hs-limits-list"),
        note("A low score is no permission, and a high one no verdict. Decisions about people need people."),
    ]
