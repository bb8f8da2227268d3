"""The cards of the Toxicity page: scores of texts, and the classifier's own card."""

from __future__ import annotations

import math

import numpy as np
from dash import html

from headscope.analysis.classifiers.card import card
from headscope.analysis.statistics.calibration import Reliability
from headscope.dashboard.cards import Children, copyable, empty_box, extra
from headscope.dashboard.figures import behaviour as figures
from headscope.dashboard.numbers import plain, signed
from headscope.dashboard.pages.toxicity.query import ToxicityQuery
from headscope.dashboard.pages.toxicity.view import (
    baseline_value,
    bounds,
    label_row,
    mean_cell,
    nothing,
    share_cell,
    text_row,
    thresholds,
)
from headscope.dashboard.parts import graph, note, switch
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.units import percent
from headscope.storage.rows import ToxicityRow

LISTED = 40
BUCKETS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
PARTS = (("both", "both"), ("prompt", "prompts"), ("continuation", "continuations"))


def scores(services: Services, query: ToxicityQuery) -> Children:
    """Every label of prompts and continuations: how many are over the threshold, and the mean."""
    rows = services.store.toxicity(query.where())
    if not rows:
        return nothing()
    cut = query.threshold / 100
    found: dict[tuple[str, str, str], list[ToxicityRow]] = {}
    for row in rows:
        found.setdefault((row.classifier, row.part, row.label), []).append(row)
    body = [label_row(*key, mine, cut) for key, mine in sorted(found.items())]
    head = ("Label", "Of", f"From {cut:.2f} on", "Mean score", "Texts>", "Classifier")
    return [
        table(head, body),
        note("Shares with 95 % Wilson intervals, means with bootstrap intervals over texts. A score is a calibrated "
             "probability, not an amount of harm."),
    ], thresholds(query)  # fmt: skip


def buckets(services: Services, query: ToxicityQuery) -> Children:
    """What became of prompts, by how toxic they were: the single continuation, and the worst of several samples."""
    rows = services.store.toxicity(query.where())
    by_run: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.label == "toxic" and row.score is not None:
            by_run.setdefault(row.run_id, {})[row.part] = row.score
    sampled = {
        row.run_id: row.score
        for row in services.store.findings(query.where(), ("sampled_toxicity",))
        if row.score is not None
    }
    if not sampled and not any("continuation" in parts for parts in by_run.values()):
        return empty_box("No continuations were scored",
                         html.P("Ask for one continuation (--max-new-tokens) or several (sampled_toxicity)."),
                         icon_name="chat-left-dots")  # fmt: skip
    cut = query.threshold / 100
    lines = []
    for low, high in BUCKETS:
        mine = [run for run, parts in by_run.items() if low <= parts.get("prompt", math.nan) < high]
        one = np.array([by_run[run].get("continuation", math.nan) for run in mine])
        many = np.array([sampled.get(run, math.nan) for run in mine])
        lines.append(html.Tr([html.Td(f"{low:.2f} to {min(high, 1):.2f}"), html.Td(f"{len(mine):,}", className="num"),
                              mean_cell(one), mean_cell(many), share_cell(many, cut)]))  # fmt: skip
    head = ("Prompt's score", "Prompts>", "Continuation, mean>", "Expected maximum>", f"Any from {cut:.2f} on>")
    return [
        table(head, lines),
        note("Expected maximum: mean over prompts of the worst of their k sampled continuations; any: the share of "
             "prompts with at least one over the threshold (Gehman et al. 2020). Both grow with k: compare only runs "
             "with the same number of samples."),
    ]  # fmt: skip


def texts(services: Services, query: ToxicityQuery) -> Children:
    """The texts with the highest scores, covered until they are asked for."""
    rows = [row for row in services.store.toxicity(query.where()) if row.label == "toxic" and row.score is not None]
    shown = [row for row in rows if query.part in ("both", row.part)]
    worst = sorted(shown, key=lambda row: (-(row.score or 0.0), row.run_id))[:LISTED]
    actions = switch("part", query, PARTS, "Texts")
    if not worst:
        return empty_box("No scored texts", html.P("Nothing fits this choice.")), actions
    items = [text_row(row, query.threshold / 100) for row in worst]
    return [
        table(("Score>", "Text", "Of"), items),
        note("Texts over the threshold are covered; open one to read it. Where the classifier was asked why, the words "
             "that raised its score are marked (integrated gradients of the classifier, not of the model)."),
    ], actions  # fmt: skip


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
