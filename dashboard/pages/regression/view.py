"""The choice of experiments, the verdict, the measures and the layer as components."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics import check_rules
from headscope.analysis.statistics.check_rules import LEVEL, RULES, Verdict
from headscope.analysis.statistics.first_layer import Parting
from headscope.analysis.statistics.intervals import FEWEST
from headscope.analysis.statistics.regression import Change
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, extra, icon
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.regression.query import MOST_RUNS, RegressionQuery, Side
from headscope.dashboard.parts import Entry, menu, note, stay, warning
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural
from headscope.jobs.regression import Checked, Compared, no_toxicity

HEAD = ("Measure", "Baseline>", "Candidate>", "Change>", "p, adjusted>", "McNemar p>", "n>", "Direction")
TONES = {True: ("bad", "x-octagon-fill", "fails"), False: ("good", "check-circle-fill", "passes"),
         None: ("none", "question-circle", "not judged")}  # fmt: skip
MOST_CELLS = 100
DECIMALS = 3


def bar(query: RegressionQuery, choices: Sequence[Side]) -> list[Children]:
    """Both menus, a way to exchange them, and the rules."""
    parts: list[Children] = []
    for name, title in (("baseline", "Baseline"), ("candidate", "Candidate")):
        entries: list[Entry] = [(side.name, query.link(**{name: side.name, "page": 0}), None) for side in choices]
        parts.append(menu(title, getattr(query, name) or "choose", entries))
    if query.chosen:
        other = query.link(baseline=query.candidate, candidate=query.baseline, page=0)
        parts.append(stay([icon("arrow-left-right"), " Exchange"], other, "hs-button"))
        parts.append(_rules(query))
    return parts


def _rules(query: RegressionQuery) -> Component:
    asked = {part.partition(":")[0]: part for part in query.rules()}
    chips = []
    for name in RULES:
        text = [icon("check2"), f" {asked[name]}"] if name in asked else name
        said = "judged; press to leave it out" if name in asked else "not judged; press to judge it, too"
        chips.append(stay(text, query.toggled(name), "hs-on" if name in asked else "", said))
    return html.Div([html.Span("Fails on", className="hs-muted"),
                     html.Div(chips, className="hs-switch-links", role="group", **extra(aria_label="Rules"))],
                    className="hs-regression-rules")  # fmt: skip


def too_few_experiments(choices: Sequence[Side]) -> Component:
    """A comparison needs two."""
    return empty_box(
        "Two experiments are needed",
        html.P(f"A comparison is of two experiments over the same prompts, or of two models in one; this store has "
               f"{plural(len(choices), 'experiment')} with finished runs. Run the same prompt set twice:"),
        copyable("headscope run --prompts factual_recall --experiment before"),
        copyable("headscope run --prompts factual_recall --experiment after --model NAME"),
        icon_name="graph-down",
    )  # fmt: skip


def nothing_chosen() -> Component:
    """Baseline or candidate is missing."""
    return empty_box(
        "Choose a baseline and a candidate",
        html.P("The baseline is what the candidate is measured against: an older checkpoint, the model in use, the "
               "same model before a change. Both need runs of the same prompt set."),
        icon_name="graph-down",
    )  # fmt: skip


def too_large(n: int, command: str) -> Component:
    """More runs than the page reads while somebody waits."""
    return empty_box(
        "Too many runs for a page",
        html.P(f"These experiments have {n:,} runs together, and every one is read; the page reads up to "
               f"{MOST_RUNS:,}. The command reads any number:"),
        copyable(command),
        icon_name="hourglass",
    )  # fmt: skip


def verdict(query: RegressionQuery, checked: Checked, command: str) -> Component:
    """Passes or fails, every rule in words, how many prompts, and the command."""
    tone, sign, _ = TONES[_overall(checked.verdicts)]
    rows = [_rule(item) for item in checked.verdicts]
    head = html.P(
        [icon(sign), " ", _headline(checked)], className=f"hs-regression-head hs-verdict-{tone}", role="status"
    )
    return html.Div(
        [
            head,
            html.P(_counts(checked.compared), className="hs-said"),
            *_cautions(query, checked),
            html.Ul(rows, className="hs-regression-verdicts"),
            note(f"A measure fails where it is worse than allowed and its adjusted p is below {LEVEL:g}; flips, failed "
                 "and states are counts and fail above what is allowed. The same in a terminal, exit status 3 where it "
                 "fails:"),
            copyable(command),
        ]
    )  # fmt: skip


def _overall(verdicts: Sequence[Verdict]) -> bool | None:
    judged = [item.failed for item in verdicts if item.failed is not None]
    return any(judged) if judged else None


def _headline(checked: Checked) -> str:
    failed, overall = len(checked.regressions), _overall(checked.verdicts)
    if overall is None:
        return "No verdict: none of these rules could be judged."
    if not overall:
        return "Passes: no regression by these rules."
    return f"Fails: worse than the baseline by {plural(failed, 'rule')}."


def _rule(item: Verdict) -> html.Li:
    tone, sign, word = TONES[item.failed]
    mark = html.Span([icon(sign), f" {word}"], className=f"hs-verdict hs-verdict-{tone}")
    return html.Li([mark, html.Span(item.said)])


def _counts(compared: Compared) -> str:
    found = compared.found
    said = f"{plural(found.n, 'prompt')} in both"
    alone = ((found.only_baseline, compared.baseline), (found.only_candidate, compared.candidate))
    said += "".join(f", {n:,} only in {name}" for n, name in alone if n)
    return f"{said}. {compared.judge and f'Toxicity: scores by {compared.judge}, which judged both.'}".strip()


def _cautions(query: RegressionQuery, checked: Checked) -> list[Component]:
    said = []
    if query.baseline == query.candidate:
        said.append("Baseline and candidate are the same runs: there is nothing to find.")
    if all(math.isnan(row.adjusted_p) for row in checked.compared.found.changes):
        said.append(f"Too few prompts for any test: {FEWEST} independent ones are needed (prompts of one pair or "
                    "wording count as one).")  # fmt: skip
    if checked.refusal:
        said.append(f"The command ends with an error, because {checked.refusal}")
    elif checked.compared.without:
        said.append(no_toxicity(checked.compared, ("toxicity",)))
    notes: list[Component] = [warning(line) for line in said]
    judged = {part.partition(":")[0] for part in query.rules()} - set(checked.unmeasured)
    if checked.refusal and judged:
        notes.append(stay("Leave out what was not measured", query.without(checked.unmeasured), "hs-button"))
    return notes


def measures(checked: Checked) -> Component:
    """A row for each measure, the surest first."""
    rows = [_measure(row) for row in checked.compared.found.changes]
    units = "; ".join(dict.fromkeys(f"{row.name}: {row.unit}" for row in checked.compared.found.changes))
    return html.Div(
        [
            table(HEAD, rows),
            note(f"{units}. Change: mean of the paired differences, with its 95 % interval by paired bootstrap "
                 "(Newcombe’s where every yes or no changed alike). p: by flipping the signs of the differences "
                 "(of prompts that belong together at once), adjusted over all "
                 "rows (Benjamini-Hochberg). McNemar: exact, of yes-or-no measures, not adjusted, every prompt by "
                 f"itself; the verdict does not use it. A flag marks an adjusted p below {LEVEL:g}."),
        ],
        className="hs-regression-measures",
    )  # fmt: skip


def _measure(row: Change) -> html.Tr:
    effect, certain = row.effect, row.adjusted_p < LEVEL
    flag: list[Children] = [icon("flag-fill"), html.Span("marked ", className="visually-hidden")] if certain else []
    p = plain(row.adjusted_p, 4)
    few = math.isnan(row.adjusted_p)
    change: list[Children] = [
        signed(effect.mean, DECIMALS),
        html.Small(interval(effect.low, effect.high, DECIMALS), className="hs-sub"),
    ]
    moved = f"{effect.above:,} up, {effect.below:,} down, {effect.ties:,} the same"
    return html.Tr(
        [
            html.Th([*flag, f" {row.name}", html.Span(row.part, className="hs-sub")], scope="row"),
            html.Td(plain(row.baseline, DECIMALS), className="num"),
            html.Td(plain(row.candidate, DECIMALS), className="num"),
            html.Td(change, className="num"),
            html.Td(html.B(p) if certain else p, className="num",
                    title=check_rules.too_few(effect) if few else f"unadjusted {plain(effect.p, 4)}"),
            html.Td(plain(row.mcnemar, 4), className="num"),
            html.Td(f"{effect.n:,}", className="num", title=moved),
            html.Td(_direction(row)),
        ],
        className="hs-marked" if certain else "",
    )  # fmt: skip


def _direction(row: Change) -> str | Component:
    """In a word, with an arrow: what colour alone would say."""
    if math.isnan(row.worse) or row.worse == 0:
        return "the same"
    worse, certain = row.worse > 0, row.adjusted_p < LEVEL
    tone = ("bad" if worse else "good") if certain else "none"
    words = f"{'worse' if worse else 'better'}{'' if certain else ', not shown'}"
    if math.isnan(row.adjusted_p):
        words = f"{'worse' if worse else 'better'}, too few to test"
    sign = icon("arrow-down-right" if worse else "arrow-up-right")
    return html.Span([sign, f" {words}"], className=f"hs-verdict hs-verdict-{tone}")


def layer(query: RegressionQuery, states: Parting) -> Children:
    """The sentence of the command, and the layers as a row of cells."""
    if states.tolerance is None:
        return empty_box("Not compared", html.P(states.said()), icon_name="layers")
    return [html.P(states.said(), className="hs-said"), _cells(states), *_heads(query, states)]


def _cells(states: Parting) -> Component | None:
    if not 0 < states.n_layers <= MOST_CELLS:
        return None
    first = states.n_layers if states.layer is None else states.layer
    cells = [
        html.Li(str(n), className="apart" if n >= first else "",
                title=f"layer {n}: {'from here on they differ' if n >= first else 'no difference beyond rounding'}")
        for n in range(states.n_layers)
    ]  # fmt: skip
    return html.Ol(cells, className="hs-regression-layers", **extra(aria_label="Layers; struck ones differ"))


def _heads(query: RegressionQuery, states: Parting) -> list[Component]:
    if states.layer is None:
        return []
    baseline, candidate = (links.heads(name.partition("@")[0]) for name in (query.baseline, query.candidate))
    return [note("Heads of ", dcc.Link("the baseline", href=baseline), " and of ",
                 dcc.Link("the candidate", href=candidate), " over all their runs.")]  # fmt: skip


LIMITS = html.Ul([
    html.Li("No regression means that none was shown on these prompts. With few prompts a real loss stays below the "
            "level: 5 prompts that all flip give p = .06."),
    html.Li("A rule of behaviour (accuracy, target, toxicity, ...) misses changes that leave these answers as they "
            "were; the rule “states” finds any change of the weights that moves a state beyond rounding."),
    html.Li("Scores of tokens and where heads look say in what the two runs differ, not what caused the flip."),
])  # fmt: skip
