"""The cards of one head's page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from dash import html
from dash.development.base_component import Component

from headscope.analysis.statistics.head_labels import RULES, Bound, HeadLabel, Rule
from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, copyable, download_menu
from headscope.dashboard.figures.heads import HeadValues, head_spread
from headscope.dashboard.numbers import interval, significant
from headscope.dashboard.pages.heads import view
from headscope.dashboard.pages.heads.cards import nothing
from headscope.dashboard.pages.heads.one import HEAD_FILE, HOW, Line, OneHead, file_query, line_row, read_head, top_runs
from headscope.dashboard.pages.heads.query import ALONE, HeadQuery, name_of, unit_of
from headscope.dashboard.pages.heads.rows import ATTENTION, ends
from headscope.dashboard.parts import graph, note, sampled_note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.storage.rows import HeadMeans

RUNS_FILE, LABELS_FILE = "head-runs.csv", "head-labels.csv"
SHOWN = 5
EFFECTS = ("head_ablation", "co_ablation", "direct_logit_attribution", "relp", "ov_copying")
"""Methods that the page asks for where they are missing, removal first."""
COLUMNS = ("Statistic", "Mean over prompts>", "Median>", "Least to largest>", "Place among heads>", "Runs>")
View = Callable[[Services, HeadQuery], Children]


def of_head(view: Callable[[Services, HeadQuery, OneHead], Children]) -> View:
    """The card of a head that is there. Where it is not, the bar says so and the card is not shown; what a model or a
    head lacks is said by the first card alone."""

    @wraps(view)
    def shown(services: Services, query: HeadQuery) -> Children:
        if query.cell is None or not query.model:
            return None
        one = read_head(services, query)
        return view(services, query, one) if isinstance(one, OneHead) else None

    return shown


def show_labels(services: Services, query: HeadQuery) -> Children:
    """Every rule: whether it holds, and the means it is about."""
    if query.cell is None or not query.model:
        return None
    one = read_head(services, query)
    if not isinstance(one, OneHead):
        return one or _nothing(services, query)
    rows = [_rule_row(rule, label, one) for rule, label in rules_of(one)]
    body = [
        *view.newest(one.heads),
        *sampled_note(len(one.runs.run_id), one.runs.total),
        table(("Label", "Holds", "What it rests on"), rows),
        view.meanings(),
        note("A label holds where the whole 95 % interval of every mean of its rule, over all runs, lies "
             "beyond the threshold."),
    ]  # fmt: skip
    return body, _menu(LABELS_FILE, query, "head-labels")


def rules_of(one: OneHead) -> list[tuple[Rule, HeadLabel | None]]:
    """Every rule, those that hold first, with the label it makes of this head."""
    labels = {label.rule.label: label for label in one.heads.labels.get(one.cell, [])}
    order = sorted(RULES, key=lambda rule: rule.label not in labels)
    return [(rule, labels.get(rule.label)) for rule in order]


def holds(rule: Rule, label: HeadLabel | None, one: OneHead) -> str:
    """Whether a rule does, in words."""
    measured = all(bound.statistic in one.heads.stats for bound in rule.bounds)
    return "yes" if label else "no" if measured else "not measured"


def _menu(name: str, query: HeadQuery, card_id: str) -> Component | None:
    return download_menu([Download("CSV", href=links.head_file(name, file_query(query, query.model)))], card_id)


def _nothing(services: Services, query: HeadQuery) -> Component | None:
    """No heads were measured in these runs; nothing where there are no runs, which the bar says."""
    there = query.model in {model for row in services.store.experiments() for model in row.models}
    return nothing(query) if there and services.store.count(query.where()) else None


def _rule_row(rule: Rule, label: HeadLabel | None, one: OneHead) -> html.Tr:
    said = holds(rule, label, one)
    return html.Tr([
        html.Th(html.B(rule.label) if label else rule.label, scope="row", className="hs-nowrap"),
        html.Td(html.B(said) if label else said, className="hs-nowrap"),
        html.Td([html.Div(_bound(bound, one)) for bound in rule.bounds]),
    ])  # fmt: skip


def _bound(bound: Bound, one: OneHead) -> str:
    asked = f"{'above' if bound.above else 'below'} {significant(bound.threshold)}"
    item = one.heads.stats.get(bound.statistic)
    name = name_of(bound.statistic)
    if item is None:
        return f"{name}: not measured; asked for is {asked}"
    low, high = (float(end[one.cell]) for end in ends(item))
    spread = interval(low, high) or "too few runs for an interval"
    return f"{name} {significant(float(item.mean[one.cell]))} {spread}, n = {item.n[one.cell]:,}; asked for is {asked}"


@of_head
def show_looks(services: Services, query: HeadQuery, one: OneHead) -> Children:
    """Statistics of attention."""
    rows = _rows(one, query, lambda name: name in ATTENTION)
    if not rows:
        return note("Attention was not measured in these runs: add heads to --analyses.")
    return [table(COLUMNS, rows), note(HOW)], _menu(HEAD_FILE, query, "head-looks")


@of_head
def show_effects(services: Services, query: HeadQuery, one: OneHead) -> Children:
    """Scores of methods, and how to have those that are missing."""
    missing = [name for name in EFFECTS if name not in one.heads.stats]
    rows = _rows(one, query, lambda name: name not in ATTENTION)
    body: list[Children] = [table(COLUMNS, rows), note(HOW)] if rows else []
    backups = _backups(one)
    body += [html.P(backups, className="hs-said")] if backups else []
    if missing:
        body.append(note(f"Not measured in these runs: {', '.join(name_of(name) for name in missing)}. To have them:"))
        body.append(copyable(view.command(query, query.model, ",".join(missing))))
    return body, _menu(HEAD_FILE, query, "head-effects") if rows else None


def _backups(one: OneHead) -> str:
    """What co-ablation says, with backups and without."""
    both, alone = (_mean(one.heads.stats.get(name), one) for name in ("co_ablation", "co_ablation" + ALONE))
    if not both or not alone:
        return ""
    return (
        f"With backups counted (co-ablation) the head is worth {both}; removed alone, with the others left to step in, "
        f"{alone}."
    )


def _mean(item: HeadMeans | None, one: OneHead) -> str:
    if item is None or not item.n[one.cell]:
        return ""
    low, high = (float(end[one.cell]) for end in ends(item))
    return f"{significant(float(item.mean[one.cell]))} nats {interval(low, high) or '(too few runs for an interval)'}"


@of_head
def show_spread(services: Services, query: HeadQuery, one: OneHead) -> Children:
    """A histogram of each statistic."""
    items = [(line.item.statistic, line.values) for line in one.lines]
    body = [
        graph(head_spread([HeadValues(name_of(name), unit_of(name), values) for name, values in items])),
        note("Runs by value; a run that does not have a statistic is not in its histogram."),
    ]
    return body, download_menu(PICTURES, "head-spread")


@of_head
def show_runs(services: Services, query: HeadQuery, one: OneHead) -> Children:
    """Of every statistic the runs with the most, the chosen one first and open."""
    lines = sorted(one.lines, key=lambda line: line.item.statistic != query.stat)
    body = [
        html.Details(
            [html.Summary(name_of(line.item.statistic)), *top_runs(services, one.runs, line, SHOWN)],
            open=place == 0, className="hs-details",
        )
        for place, line in enumerate(lines)
    ]  # fmt: skip
    return body, _menu(RUNS_FILE, query, "head-runs")


def _rows(one: OneHead, query: HeadQuery, wanted: Callable[[str], bool]) -> list[html.Tr]:
    """The lines of these statistics."""
    means = one.means()
    picked: list[tuple[int, Line]] = [(i, line) for i, line in enumerate(one.lines) if wanted(line.item.statistic)]
    return [line_row(line, means, i, one.cell, query) for i, line in picked]
