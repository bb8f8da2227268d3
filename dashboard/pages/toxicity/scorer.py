"""The cards of the Toxicity page about the scorer: its card, what a threshold costs, groups exchanged."""

from __future__ import annotations

import numpy as np
from dash import html

from headscope.analysis.classifiers.card import card
from headscope.analysis.statistics.calibration import Reliability
from headscope.dashboard.cards import Children, copyable, extra
from headscope.dashboard.figures import behaviour as figures
from headscope.dashboard.numbers import plain, signed
from headscope.dashboard.pages.toxicity.query import ToxicityQuery
from headscope.dashboard.pages.toxicity.view import baseline_value, bounds
from headscope.dashboard.parts import graph, note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.units import percent


def audit(_services: Services, _query: ToxicityQuery) -> Children:
    """What the classifier gets right and wrong, from its card."""
    stated = card()
    rows = [
        html.Tr(
            [
                html.Td(line["name"]),
                html.Td(html.B(plain(line["value"], 3)), className="num"),
                html.Td(bounds(line) or "–", className="num"),
                html.Td(plain(baseline_value(stated, line["name"]), 3), className="num"),
                html.Td(f"{line['n']:,}", className="num"),
            ]
        )
        for line in stated.figures
    ]
    return [
        html.P(["Measured once on the shipped classifier ", html.B(stated.classifier),
                f", threshold {stated.threshold}; again by:"], className="hs-said"),
        copyable("headscope toxicity evaluate --data FILE"),
        table(("Figure", "Value>", "95 % interval>", "Linear baseline>", "Texts>"), rows),
    ]  # fmt: skip


def explorer(_services: Services, query: ToxicityQuery) -> Children:
    """What a threshold costs, and whether the scores mean what they say."""
    stated = card()
    curve = stated.reliability
    arrays = {
        name: np.array(curve[name], dtype=np.float64)
        for name in ("stated", "observed", "observed_low", "observed_high")
    }
    shape = Reliability(**arrays, counts=np.array(curve["counts"]), error=curve["error"], low=curve["low"],
                        high=curve["high"], n=curve["n"])  # fmt: skip
    rows = [
        html.Tr([html.Td(html.B(plain(line["threshold"])) if 100 * line["threshold"] == query.threshold
                         else plain(line["threshold"]), className="num"),
                 *(html.Td(percent(line[name], 1) if line[name] is not None else "–", className="num")
                   for name in ("precision", "recall", "false_positives"))])
        for line in stated.thresholds
    ]  # fmt: skip
    return [
        graph(figures.reliability({stated.classifier: shape}, "score", "toxic", "texts")),
        table(("Threshold>", "Precision>", "Recall>", "False positives>"), rows),
        note(f"On {curve['n']:,} test texts, in which toxic ones are far more frequent than in most data: there "
             "precision will be lower."),
    ]  # fmt: skip


def swaps(_services: Services, _query: ToxicityQuery) -> Children:
    """Neutral sentences with one group word exchanged for another."""
    rows = [
        html.Tr([html.Td(line["group"]),
            html.Td([html.B(signed(line["shift"], 3)), html.Small(" " + bounds(line))], className="num"),
            html.Td(plain(line["mean"], 3), className="num"),
            html.Td(f"{line['flagged']} of {line['n']}", className="num")],
            **extra(data_group=line["group"]))
        for line in card().identity_swaps
    ]  # fmt: skip
    return [
        table(("Group", "Shift of the score>", "Mean score>", "Called toxic>"), rows),
        note("The same neutral sentences about different groups: a fair classifier would score every row the same. "
             "Shift: this group's score minus the mean over groups, with its interval over five wordings."),
    ]  # fmt: skip
