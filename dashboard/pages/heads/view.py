"""The cells and sentences of the Heads page: pure functions of what was read."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.statistics.correlation import spearman
from headscope.analysis.statistics.head_labels import RULES, HeadLabel, Rule
from headscope.dashboard.cards import Children, empty_box, extra
from headscope.dashboard.numbers import interval, plain, signed, significant
from headscope.dashboard.pages.heads.query import Heads, HeadsQuery, HeadState, name_of, unit_of
from headscope.dashboard.pages.heads.rows import ATTENTION, ends
from headscope.dashboard.parts import note, stay, warning
from headscope.dashboard.tables import table
from headscope.dashboard.words import DASH, plural
from headscope.storage.rows import HeadMeans

LISTED = 25
Cell = tuple[int, int]
Floats = NDArray[np.float64]


def order(query: HeadsQuery, heads: Heads, item: HeadMeans) -> list[Cell]:
    """(layer, head) of every head the table has, the first first; what was not measured comes last."""
    layers, n = item.mean.shape
    cells = [(layer, head) for layer in range(layers) for head in range(n)]
    if query.label:
        cells = [cell for cell in cells if query.label in _names(heads, cell)]
    if query.sort == "layer":
        return cells
    removal = heads.removal
    if query.sort == "removal" and removal is not None:
        keys = removal.mean_size
    else:
        keys = item.mean if item.statistic in ATTENTION else item.mean_size
    return sorted(cells, key=lambda cell: (np.isnan(keys[cell]), -keys[cell] if keys[cell] == keys[cell] else 0, cell))


def _names(heads: Heads, cell: Cell) -> list[str]:
    return [label.rule.label for label in heads.labels.get(cell, [])]


def table_of(query: HeadsQuery, heads: Heads, item: HeadMeans, cells: list[Cell]) -> Component:
    """A page of heads: labels with their evidence, the statistic, and what removal does where it was measured."""
    removal = heads.removal
    shown = [item] if removal is None or removal is item else [item, removal]
    start = min(query.page, pages(len(cells)) - 1) * LISTED
    rows = [
        html.Tr([
            html.Th(dcc.Link(f"{layer}.{head}", href=query.page_of(heads.model, layer, head), className="hs-strong"),
                    scope="row", className="hs-nowrap"),
            html.Td(labels_cell(heads.labels.get((layer, head), []))),
            *(mean_cell(one, (layer, head)) for one in shown),
            html.Td(f"{item.n[layer, head]:,}", className="num"),
        ])
        for layer, head in cells[start : start + LISTED]
    ]  # fmt: skip
    names = [f"{name_of(one.statistic)}{f', {unit}' if (unit := unit_of(one.statistic)) else ''}>" for one in shown]
    return table(("Layer.head", "Labels and their evidence", *names, "Runs>"), rows)


def mean_cell(item: HeadMeans, cell: Cell) -> html.Td:
    """The mean over its interval."""
    low, high = (float(end[cell]) for end in ends(item))
    mean = float(item.mean[cell])
    said = plain(mean, 3) if item.statistic in ATTENTION else signed(mean, 3)
    spread = interval(low, high, 3) or ("too few runs" if item.n[cell] else "not measured")
    return html.Td([html.B(said), html.Span(spread, className="hs-sub")], className="num")


def labels_cell(labels: list[HeadLabel]) -> Children:
    """Each label with the means it rests on."""
    if not labels:
        return html.Span(DASH, className="hs-muted")
    return [html.Div([html.B(label.rule.label), html.Small(f" {_evidence(label)}")]) for label in labels]


def _evidence(label: HeadLabel) -> str:
    return "; ".join(
        f"{name_of(item.bound.statistic).lower()} {significant(item.mean)} {interval(item.low, item.high)}, "
        f"{'above' if item.bound.above else 'below'} {significant(item.bound.threshold)}, n = {item.n:,}"
        for item in label.evidence
    )


def label_chooser(query: HeadsQuery, heads: Heads) -> Component:
    """All heads, or those with one label, with how many there are."""
    counts = Counter(label.rule.label for labels in heads.labels.values() for label in labels)
    links = [stay("all heads", query.link(label="", page=0), "" if query.label else "hs-on")]
    for rule in RULES:
        text = f"{rule.label} {counts[rule.label] if _measured(rule, heads) else DASH}"
        on = "hs-on" if query.label == rule.label else ""
        links.append(stay(text, query.link(label=rule.label, page=0), on, rule.meaning))
    return html.Div(links, className="hs-switch-links hs-heads-labels", role="group", **extra(aria_label="Label"))


def _measured(rule: Rule, heads: Heads) -> bool:
    return all(bound.statistic in heads.stats for bound in rule.bounds)


def pages(count: int) -> int:
    """How many pages the table has."""
    return max(1, -(-count // LISTED))


def pager(query: HeadsQuery, count: int) -> Component | None:
    """Links to the pages before and after."""
    n, page = pages(count), min(query.page, pages(count) - 1)
    if n == 1:
        return None
    parts: list[Children] = [f"Heads {page * LISTED + 1} to {min(count, (page + 1) * LISTED)} of {count:,}"]
    if page:
        parts += [" · ", stay("before", query.link(page=page - 1))]
    if page + 1 < n:
        parts += [" · ", stay("next", query.link(page=page + 1))]
    return note(*parts)


def no_such_label(query: HeadsQuery, heads: Heads) -> Component:
    """No head fits the rule, or nothing it asks about was measured, or there is no such rule."""
    rule = next((rule for rule in RULES if rule.label == query.label), None)
    if rule is None:
        return empty_box("No such label", html.P(f"“{query.label}” is none of the labels above."), icon_name="tag")
    missing = [name_of(bound.statistic) for bound in rule.bounds if bound.statistic not in heads.stats]
    if missing:
        return empty_box(
            "Not measured in these runs", html.P(f"“{rule.label}” rests on {', '.join(missing)}."), icon_name="tag"
        )
    asked = ", ".join(
        f"{name_of(bound.statistic).lower()} {'above' if bound.above else 'below'} {significant(bound.threshold)}"
        for bound in rule.bounds
    )
    return empty_box(
        "No head has this label", html.P(f"Asked for, with the whole interval: {asked}."), html.P(rule.meaning),
        icon_name="tag",
    )  # fmt: skip


def meanings() -> Component:
    """What the labels mean, with their sources."""
    entries = [html.Li([html.B(rule.label), f": {rule.meaning}"]) for rule in RULES]
    return html.Details([html.Summary("What the labels mean"), html.Ul(entries)], className="hs-details")


def agreement(looks: NDArray[np.float64], removal: NDArray[np.float64]) -> str:
    """Whether the order of looks is the order of removal."""
    known = np.isfinite(looks) & np.isfinite(removal)
    n = int(known.sum())
    if n < 3:
        return "Too few heads have both."
    top = max(1, n // 10)
    first, second = (set(np.argsort(-values[known], kind="stable")[:top].tolist()) for values in (looks, removal))
    found = spearman(looks[known], removal[known])
    return (
        f"Rank correlation over {plural(n, 'head')}: {signed(found.value)} {interval(found.low, found.high)}. Of the "
        f"{plural(top, 'head')} that look most important, {len(first & second)} are among the {top} that removal shows."
    )


def runs_said(item: HeadMeans) -> str:
    """Over how many runs; heads can differ."""
    least, most = int(item.n.min()), int(item.n.max())
    return plural(most, "run") if least == most else f"{least:,} to {most:,} runs"


def setting(item: HeadMeans) -> str:
    """What a method explained and how it was set, in words."""
    params = json.loads(item.params) if item.params else {}
    said = [item.quantity.replace("_", " "), *(f"{name.replace('_', ' ')} {value}" for name, value in params.items())]
    return ", ".join(filter(None, said)) or "attention"


def command(query: HeadState, model: str, analyses: str = "head_ablation") -> str:
    """What measures it for these runs."""
    parts = ["headscope run", f"--prompts {query.prompt_set or 'PROMPTS'}"]
    parts += [f"--model {model}"] if model else []
    return " ".join([*parts, f"--experiment {query.experiment or 'NAME'}", f"--analyses {analyses}"])


def sql(query: HeadsQuery, model: str, item: HeadMeans) -> str:
    """The same means, prompt sets joined."""
    asked = {
        "experiment": query.experiment,
        "model": model,
        "prompt_set": query.prompt_set,
        "statistic": item.statistic,
    }
    where = " AND ".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in asked.items() if value)
    if item.quantity:
        where += f" AND quantity = '{item.quantity}'"
    return (
        f"SELECT layer, head, sum(n) AS n, sum(n * mean) / sum(n) AS mean FROM v_head_stats WHERE {where} AND n > 0 "
        "GROUP BY layer, head ORDER BY mean DESC"
    )


def sql_over(ids: str, statistic: str) -> str:
    """The same means of a statistic of attention, over the runs that the statement `ids` finds."""
    return (
        f"SELECT layer, head, count({statistic}) AS n, avg({statistic}) AS mean FROM v_heads WHERE run_id IN ({ids}) "
        "GROUP BY layer, head ORDER BY mean DESC"
    )


def newest(heads: Heads) -> list[Component]:
    """Said where not all runs are in the means."""
    if not heads.read:
        return []
    said = f"The newest {heads.read:,} with measured heads, of {heads.total:,} runs: sums over all are kept for whole "
    return [warning(said, "experiments, models and prompt sets only, and other selections are read run by run.")]


LIMITS = html.Ul([
    html.Li("Attention statistics say where a head looks, not what it does with it, nor whether the answer needs it."),
    html.Li("Head ablation measures the whole effect of one head on the explained quantity. A head whose work others "
            "take over looks useless: co-ablation counts such backups."),
    html.Li("Means are over these prompts: another set shows other heads. Induction and duplicate-token statistics "
            "exist only where a token repeats."),
])  # fmt: skip
