"""The cards of the Regression page: the verdict, the measures, the layer and the flips of one comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from dash import html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.cards import Children, Download, download_menu, empty_box, guarded
from headscope.dashboard.pages.regression import flips, view
from headscope.dashboard.pages.regression.query import (
    MOST_RUNS,
    PAGE_SIZE,
    Comparisons,
    RegressionQuery,
    runs_to_read,
    sides,
)
from headscope.dashboard.parts import switch, warning
from headscope.dashboard.scoped.bar import cautions
from headscope.dashboard.services import Services
from headscope.jobs.regression import FLIPPED, Checked, evidence, judge
from headscope.storage import session
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, RunFilter

Filled = tuple[Children, Children]
NOTHING: Filled = (None, None)


@guarded("read the experiments")
def bar(store: RunReader, query: RegressionQuery) -> Children:
    """Baseline and candidate from lists, and the rules."""
    choices = sides(store.experiments())
    if len(choices) < 2:
        return view.too_few_experiments(choices)
    parts = view.bar(query, choices)
    return [*parts, *_cautions(store, query)] if query.chosen else parts


def _cautions(store: RunReader, query: RegressionQuery) -> list[Children]:
    """What is to be known of each side before its runs are counted together."""
    found: list[Children] = []
    for title, side in (("Baseline", query.baseline), ("Candidate", query.candidate)):
        name, _, model = side.partition("@")
        rows = store.model_settings(RunFilter((Condition("experiment", "eq", name),)))
        mine = [row for row in rows if not model or PurePath(row.model).name == model]
        found += [warning(f"{title}: {said}") for said in cautions(mine)]
    return found


def content(services: Services, comparisons: Comparisons, query: RegressionQuery) -> Mapping[str, Filled]:
    """Body and actions of every card, from one comparison; without one, only the first says why."""
    found = dict.fromkeys(CARDS, NOTHING)
    first = next(iter(CARDS))

    @guarded("compare the experiments")
    def compared() -> Children:
        return _checked(services.store, comparisons, query)

    checked = compared()
    if not isinstance(checked, Checked):
        return {**found, first: (checked, None)}
    for id_, item in CARDS.items():
        filled = guarded(f"show “{item.title}”")(item.view)(services, query, checked)
        found[id_] = filled if isinstance(filled, tuple) else (filled, None)
    return found


def _checked(store: RunReader, comparisons: Comparisons, query: RegressionQuery) -> Checked | Component | None:
    """The judged comparison, or what stands in its place."""
    experiments = store.experiments()
    choices = sides(experiments)
    if len(choices) < 2:
        return None  # the bar says it
    if not query.chosen:
        return view.nothing_chosen()
    if (n := runs_to_read(experiments, query)) > MOST_RUNS:
        return view.too_large(n, query.command(session.shown(store.url)))
    checked = judge(comparisons.get(query), query.fail_on)
    if not checked.compared.found.n:
        return empty_box("No prompt in common", html.P(checked.refusal), icon_name="intersect")
    return checked


def verdict(services: Services, query: RegressionQuery, checked: Checked) -> Children:
    """Passes or fails, and by which rule; how to repeat it."""
    files = None if checked.refusal else download_menu(
        [Download("The comparison, JSON", href=links.regression_file("check.json", query)),
         Download("The verdicts, JUnit XML", href=links.regression_file("check.xml", query))],
        "regression-verdict",
    )  # fmt: skip
    return view.verdict(query, checked, query.command(session.shown(services.store.url))), files


def measures(_services: Services, _query: RegressionQuery, checked: Checked) -> Children:
    """Every measure with its test."""
    if not checked.compared.found.changes:
        return empty_box(
            "Nothing was measured in both",
            html.P("The prompts in common failed on one side, or have neither answers, pairs nor scores."),
        )
    return view.measures(checked)


def layer(_services: Services, query: RegressionQuery, checked: Checked) -> Children:
    """From which layer on the states differ."""
    return view.layer(query, checked.compared.found.states)


def flipped(services: Services, query: RegressionQuery, checked: Checked) -> Children:
    """The prompts that flipped, a page at a time, with what changed inside the models."""
    found = checked.compared.found
    choices = [(name, f"{title} {len(getattr(found, name)):,}") for name, title in FLIPPED.items()]
    chooser = switch("which", replace(query, page=0), choices, "Which flips")
    rows = getattr(found, query.which)
    if not rows:
        return flips.none(query.which), chooser
    page = min(query.page, (len(rows) - 1) // PAGE_SIZE)
    shown = rows[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    why = services.store.offensive([run_id for flip in shown for run_id in (flip.baseline_run, flip.candidate_run)])
    body = flips.listed(shown, evidence(services.store, shown), why)
    return [body, flips.pager(query, page, len(rows)), flips.about(query.which)], chooser


@dataclass(frozen=True, slots=True)
class CheckCard:
    """One card: what it shows of a judged comparison, body or body and actions."""

    title: str
    subtitle: str
    view: Callable[[Services, RegressionQuery, Checked], Children]


CARDS: Mapping[str, CheckCard] = {
    "regression-verdict": CheckCard("Verdict", "By the rules asked for.", verdict),
    "regression-measures": CheckCard("Measures", "Candidate minus baseline, over the prompts both have.", measures),
    "regression-layer": CheckCard("Layer", "Where in the layers the two models part.", layer),
    "regression-flips": CheckCard("Flips", "Prompts whose answer or verdict changed, the furthest first.", flipped),
}
