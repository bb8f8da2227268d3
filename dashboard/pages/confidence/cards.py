"""The cards of the Confidence page: how sure, how right, and where in the layers an answer was settled."""

from __future__ import annotations

import numpy as np
from dash import html

from headscope.analysis.statistics.calibration import calibration_error, selective_risk
from headscope.analysis.statistics.confidence import lock_in, spread
from headscope.analysis.statistics.intervals import DRAWS, SHARES, UPWARDS, wilson
from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, extra
from headscope.dashboard.covered import answer, anything, covered, prompt
from headscope.dashboard.figures import behaviour as figures
from headscope.dashboard.numbers import interval, plain
from headscope.dashboard.pages.confidence.measured import PLAIN, judged, shown_measures
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.confidence.series import series_of
from headscope.dashboard.pages.confidence.view import (
    RISKS,
    answers,
    answers_switch,
    by_switch,
    entropy,
    few,
    interval_of,
    left_out,
    no_answers,
    no_target_layers,
    one_sided,
    risk_row,
    run_cell,
    series_cell,
    settled_switch,
    spread_cell,
)
from headscope.dashboard.parts import graph, note, sampled_note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.text import visible
from headscope.dashboard.units import percent, percents

LISTED = 30


def distributions(services: Services, query: ConfidenceQuery) -> Children:
    """Six measures, a line per series, and the numbers below."""
    runs = services.store.measures(query.where())
    if not len(runs):
        return None
    split = series_of(runs, query.by)
    shown = shown_measures(runs)
    panels = [
        figures.Panel(item.title, item.unit, {one.name: values[one.rows] for one in split}, item.zero, item.log)
        for item, values in shown
    ]
    units = {panel.title: f", {panel.unit}" if panel.unit not in PLAIN else "" for panel in panels}
    head = ("Series", *(f"{title}{unit}>" for title, unit in units.items()))
    rows = [
        html.Tr(
            [
                series_cell(item, query),
                *(
                    spread_cell(spread(panel.series[item.name], measure.within))
                    for panel, (measure, _) in zip(panels, shown, strict=True)
                ),
            ]
        )
        for item in split
    ]
    body = [
        *sampled_note(len(runs), runs.total),
        graph(figures.distributions(panels)),
        table(head, rows),
        note(
            "Median, then the mean with its 95 % interval over runs. A run without a target has no margin, "
            "and no rank or probability of one; rank 1 is the most likely token."
        ),
        note(
            "Surprisal is per token, and a start token makes the first word count too: models with different "
            "tokenizers, or with and without a start token, are not comparable in it."
        ),
    ]
    return body, by_switch(query)


def calibration(services: Services, query: ConfidenceQuery) -> Children:
    """Reliability diagram and expected calibration error on prompts that have a target."""
    runs = services.store.measures(query.where())
    right = judged(runs, query)
    split = [item for item in series_of(runs, query.by) if np.isfinite(right[item.rows]).any()]
    if not split:
        return no_answers(runs, query)
    curves = {
        item.name: calibration_error(runs.next_token_prob[item.rows], right[item.rows], draws=DRAWS) for item in split
    }
    rows = []
    for item in split:
        curve, known = curves[item.name], right[item.rows][np.isfinite(right[item.rows])]
        low, high = wilson(int(known.sum()), len(known))
        cells = [
            html.Td(
                [html.B(f"{percent(known.mean())}"), html.Small(f" {percents(low, high)}")],
                className="num",
            ),
            html.Td(plain(float(np.nanmean(runs.next_token_prob[item.rows])), 2), className="num"),
            html.Td(
                [html.B(plain(curve.error, 3)), html.Small(" " + interval(curve.low, curve.high, 3))], className="num"
            ),
            html.Td(f"{curve.n:,}", className="num"),
        ]
        rows.append(html.Tr([series_cell(item, query), *cells]))
    return [
        *sampled_note(len(runs), runs.total),
        *left_out(runs, query),
        graph(figures.reliability(curves)),
        *few({name: curve.n for name, curve in curves.items()}),
        table(("Series", "Right>", "Mean probability>", "Calibration error>", "Prompts>"), rows),
        note("Right: the target is the most likely next token. Calibration error: mean distance between the stated "
             "probability of the top token and the share right, over ten bins of equally many prompts (Guo et al. "
             "2017). Noise alone makes it above 0, even of a calibrated model, so its 95 % interval holds the errors "
             "under which the one seen is among the middle 95 %, down to 0. It is rough: in simulations it holds the "
             "error in 86 to 98 % of cases."),
    ], answers_switch(query)  # fmt: skip


def risk(services: Services, query: ConfidenceQuery) -> Children:
    """What is gained by answering only where the model is sure."""
    runs = services.store.measures(query.where())
    right = judged(runs, query)
    curves = {
        item.name: curve
        for item in series_of(runs, query.by)
        if (curve := selective_risk(runs.next_token_prob[item.rows], right[item.rows], draws=DRAWS)).n
    }
    if not curves:
        return no_answers(runs, query)
    return [
        *sampled_note(len(runs), runs.total),
        *left_out(runs, query),
        graph(figures.selective_risk(curves)),
        *few({name: curve.n for name, curve in curves.items()}),
        *one_sided(curves),
        table(RISKS, [risk_row(name, curve) for name, curve in curves.items()]),
        note("Gain: by how much answering the surest prompts first is better than answering in any order, mean over "
             "coverages (El-Yaniv and Wiener 2010), with its 95 % interval over prompts (the further end of bootstrap "
             "and jackknife). Where that holds 0, the model's probability was not shown to tell its right answers from "
             "its wrong ones."),
    ], answers_switch(query)  # fmt: skip


def layers(services: Services, query: ConfidenceQuery) -> Children:
    """In which layer the final answer is first read and never lost again."""
    found = services.store.lens_ranks(query.where())
    if not found:
        return empty_box("No layers were measured", html.P("Ask for them: headscope run ... --analyses layers"),
                         icon_name="layers")  # fmt: skip
    of_target = query.settled == "target"
    known = [(row.model, row.target if of_target else row.ranks) for row in found if row.has_answer or not of_target]
    known = [(model, ranks) for model, ranks in known if np.isfinite(ranks).any()]
    if not known:
        return no_target_layers(), settled_switch(query)
    curves = {}
    for model in dict.fromkeys(model for model, _ in known):
        mine = [ranks for name, ranks in known if name == model]
        layer = np.array([lock_in(ranks.astype(np.float64)) for ranks in mine], dtype=np.float64)
        curves[f"{model} (n = {len(mine):,})"] = (max(map(len, mine)), np.where(layer < 0, np.nan, layer))
    what = "target (prompts where it is a right answer)" if of_target else "final top token"
    return [
        graph(figures.locked_in(curves)),
        note(f"The share of runs (of more than 5,000 a fixed random sample) whose {what} is on top under the logit "
             "lens in this layer and in all later ones. The lens reads early layers with the last layer's dictionary: "
             "a late lock-in may be a change of wording, not of mind."),
    ], settled_switch(query)  # fmt: skip


def consistency(services: Services, query: ConfidenceQuery) -> Children:
    """Whether sampled answers agree."""
    found = services.store.finding_sample(query.where(), "self_consistency")
    measured = [row for row in found.rows if row.score is not None]
    if not measured:
        return empty_box("No answers were sampled",
                         html.P("headscope run ... --analyses self_consistency samples several answers per prompt."),
                         icon_name="dice-5")  # fmt: skip
    shares = spread(np.array([row.score for row in measured], dtype=np.float64), SHARES)
    entropies = spread(np.array([entropy(row) for row in measured], dtype=np.float64), UPWARDS)
    least = sorted(measured, key=lambda row: (row.score or 0.0, row.run_id))[:LISTED]
    why = services.store.offensive([row.run_id for row in least])
    rows = [
        html.Tr([run_cell(row.run_id, row.text, row.model, why), html.Td(plain(row.score, 2), className="num"),
                 html.Td(plain(entropy(row), 2), className="num"),
                 html.Td(covered(answers(row), answers(row), anything(why, row.run_id)))],
                **extra(data_href=links.run(row.run_id)))
        for row in least
    ]  # fmt: skip
    return [
        *sampled_note(len(found.rows), found.total),
        html.P([
            "The commonest answer has ", html.B(percent(shares.mean)),
            f" of the samples on average {interval_of(shares)}, n = {shares.n:,}; entropy of the answers ",
            html.B(plain(entropies.mean, 2)), f" {interval(entropies.low, entropies.high)} (0 all agree, 1 none).",
        ], className="hs-said"),
        table(("Least agreed", "Commonest answer>", "Entropy>", "Answers"), rows, rows_open=True),
        note("Answers are the same when their first words are; synonyms count as disagreement. Disagreement is a sign "
             "that an answer is made up, not a proof; agreement does not make it true."),
    ]  # fmt: skip


def overconfident(services: Services, query: ConfidenceQuery) -> Children:
    """Wrong answers given with the most confidence."""
    runs = services.store.measures(query.where())
    wrong = np.flatnonzero((judged(runs, query) == 0) & np.isfinite(runs.next_token_prob))
    if not len(wrong):
        return empty_box("No wrong answers", html.P("Every target was the most likely token, or no run has a target."),
                         icon_name="check2-circle")  # fmt: skip
    worst = sorted(wrong, key=lambda i: -runs.next_token_prob[i])[:LISTED]
    why = services.store.offensive([runs.run_id[i] for i in worst])
    says, targets = ([visible(token) for token in texts] for texts in (runs.next_token, runs.target))
    rows = [
        html.Tr([run_cell(runs.run_id[i], runs.text[i], runs.model[i], why),
                 html.Td(covered(says[i], says[i], answer(why, runs.run_id[i]))),
                 html.Td(plain(float(runs.next_token_prob[i]), 3), className="num"),
                 html.Td(covered(targets[i], targets[i], prompt(why, runs.run_id[i]))),
                 html.Td(f"{runs.target_rank[i]:,.0f}", className="num")],
                **extra(data_href=links.run(runs.run_id[i])))
        for i in worst
    ]  # fmt: skip
    return [
        *sampled_note(len(runs), runs.total),
        *left_out(runs, query),
        table(("Prompt", "Says", "Probability>", "Target", "Its rank>"), rows, rows_open=True),
        note(f"The {len(worst)} surest of {len(wrong):,} wrong answers. Look before you judge: another word may be as "
             "right as the target."),
    ], answers_switch(query)  # fmt: skip
