"""The cells and sentences of the Confidence page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.calibration import FEW_OF_A_KIND, SelectiveRisk
from headscope.analysis.statistics.confidence import Spread
from headscope.analysis.statistics.intervals import FEWEST
from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, guarded
from headscope.dashboard.covered import prompt, run_link
from headscope.dashboard.numbers import interval, plain
from headscope.dashboard.pages.confidence.measured import answerable
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.confidence.series import SERIES, Series
from headscope.dashboard.parts import note, stay, switch, warning
from headscope.dashboard.scoped.bar import scope_bar
from headscope.dashboard.units import percent, percents
from headscope.dashboard.words import plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import FindingRow, Measures, Offences


def by_switch(query: ConfidenceQuery) -> Component:
    """What the lines compare."""
    return switch("by", query, SERIES, "Compare")


def series_cell(item: Series, query: ConfidenceQuery) -> html.Td:
    """A series' name, leading to its runs, and how many there are."""
    more = {query.by: item.value} if query.by in ("model", "prompt_set") and item.value else {}
    return html.Td([dcc.Link(item.name, href=query.runs(**more)), html.Small(f" n = {len(item.rows):,}")])


def spread_cell(item: Spread) -> html.Td:
    """Median, mean and interval."""
    if not item.n:
        return html.Td(plain(None), className="num")
    words = f"mean {plain(item.mean)} {interval(item.low, item.high)}"
    return html.Td([html.B(plain(item.median)), html.Small(words, className="hs-sub")], className="num")


def run_cell(run_id: str, text: str, model: str, why: Offences) -> html.Td:
    """A prompt leading to its run, covered where it offends."""
    link = run_link(text, links.run(run_id), prompt(why, run_id))
    return html.Td([link, html.Span(model, className="hs-sub")], className="hs-text")


def interval_of(item: Spread) -> str:
    """The interval of a mean share."""
    return "" if np.isnan(item.low) else percents(item.low, item.high)


def few(counts: dict[str, int]) -> list[Component]:
    """Said where intervals are missing."""
    names = [name for name, count in counts.items() if count < FEWEST]
    return [warning(f"Fewer than {FEWEST} prompts with a target: no interval for {', '.join(names)}.")] if names else []


def answers_switch(query: ConfidenceQuery) -> Component:
    """Which targets count as answers."""
    return switch("answers", query, (("right", "right answers"), ("all", "every target")), "Answers")


def settled_switch(query: ConfidenceQuery) -> Component:
    """Whose rank under the lens is followed."""
    return switch("settled", query, (("token", "final top token"), ("target", "right answer")), "Of")


def left_out(runs: Measures, query: ConfidenceQuery) -> list[Component]:
    """How many targets do not count, and why."""
    count = int((np.isfinite(runs.target_rank) & ~answerable(runs)).sum())
    if not count:
        return []
    if query.answers == "all":
        said = f"{plural(count, 'target')} here are in pairs about groups of people, where neither word is right."
        return [warning(said)]
    return [note(f"Without {plural(count, 'run')} of pairs about groups of people: their target is no right answer.")]


def one_sided(curves: Mapping[str, SelectiveRisk]) -> list[Component]:
    """Said where nearly all answers are wrong, or nearly all right."""
    names = [name for name, curve in curves.items() if curve.n >= FEWEST and curve.fewest < FEW_OF_A_KIND]
    said = f"Fewer than {FEW_OF_A_KIND} wrong answers, or fewer right ones: the interval may be too narrow for "
    return [warning(f"{said}{', '.join(names)}. In simulations so few held the gain in 40 to 95 %.")] if names else []


RISKS = ("Series", "Wrong, surest first>", "Wrong, any order>", "Gain>", "Prompts>")


def risk_row(name: str, curve: SelectiveRisk) -> html.Tr:
    """The mean share of wrong answers over all coverages, and what the order gains."""
    ends = "" if np.isnan(curve.gain_low) else f" {percents(curve.gain_low, curve.gain_high)}"
    return html.Tr([
        html.Td(name),
        *(html.Td(percent(share, 1), className="num") for share in (curve.area, curve.random)),
        html.Td([html.B(percent(curve.gain, 1)), html.Small(ends)], className="num"),
        html.Td(f"{curve.n:,}", className="num"),
    ])  # fmt: skip


def no_target_layers() -> Component:
    """No rank of a target under the lens."""
    return empty_box("No layers of a right answer", html.P("Ranks of the target under the lens are stored for prompts "
                     "with a target, by runs with --analyses layers."), icon_name="layers")  # fmt: skip


def no_answers(runs: Measures, query: ConfidenceQuery) -> Component:
    """No run has a target that counts."""
    if query.answers == "right" and np.isfinite(runs.target_rank).any():
        return empty_box("No prompts with a right answer",
                         html.P("The targets here are in pairs about groups of people, where neither word is right."),
                         stay("Count every target", query.link(answers="all"), "hs-button"),
                         icon_name="question-circle")  # fmt: skip
    return empty_box("No prompts with an answer", html.P("Right and wrong need a target: give the prompts one."),
                     icon_name="question-circle")  # fmt: skip


def entropy(row: FindingRow) -> float:
    """Of the clusters of sampled answers, NaN where it was not measured."""
    value = (row.evidence or {}).get("entropy")
    return float("nan") if value is None else float(value)


def answers(row: FindingRow) -> str:
    """The commonest sampled answers with their counts."""
    counts = (row.evidence or {}).get("answers") or {}
    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name or '(none)'} ×{count}" for name, count in ranked[:5])


LIMITS = html.Ul([
    html.Li("Probability is of one next token: a model can be sure of a word and not of what it is part of."),
    html.Li("“Right” means that the target is the top token. Where several words would do, or where the target is no "
            "right answer at all (counterfactual pairs about people), accuracy and calibration mean nothing: choose "
            "another prompt set or tag."),
    html.Li("Surprisal is of the prompt as this tokenizer cuts it; between models with different tokenizers compare "
            "bits per text, not per token."),
])  # fmt: skip


@guarded("read the experiments")
def confidence_bar(store: RunReader, query: ConfidenceQuery, purpose: str) -> Children:
    """The bar that chooses the runs, and whether prompts may be counted more than once."""
    bar = scope_bar(store, query, purpose)
    return [*bar, *map(warning, pooled(store, query))] if isinstance(bar, list) else bar


def pooled(store: RunReader, query: ConfidenceQuery) -> list[str]:
    """A sentence on runs of several experiments, in which the same prompt may have run."""
    if query.experiment or not query.chosen:
        return []
    named = query.narrowed.experiment
    n = len(named) or len(store.facets(query.where(), ("experiment",))["experiment"])
    if n < 2:
        return []
    return [
        f"Runs of {n:,} experiments are counted together: a prompt that ran in several counts as often, and intervals "
        "take its runs for independent ones."
    ]
