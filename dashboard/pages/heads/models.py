"""The card that sets models side by side: how many heads have which label, and where the same heads differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from dash import html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.statistics.head_labels import RULES
from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, download_menu
from headscope.dashboard.figures.heads import HeadValues, model_profiles
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.heads import view
from headscope.dashboard.pages.heads.beside import APART, Difference, difference
from headscope.dashboard.pages.heads.cards import MODELS_FILE
from headscope.dashboard.pages.heads.query import Heads, HeadsQuery, name_of, read_models, unit_of
from headscope.dashboard.pages.heads.rows import ATTENTION
from headscope.dashboard.parts import graph, note, stay
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural, shape
from headscope.storage.interfaces import RunReader

LISTED = 10
Floats = NDArray[np.float64]


def show_models(services: Services, query: HeadsQuery) -> Children:
    """Every model of these runs; nothing when there is one."""
    found = models_of(services.store, query)
    if len(found) < 2:
        return None
    apart = difference(found, query.stat)
    rules = [rule.label for rule in RULES]
    body = [
        *view.newest(found[0]),
        graph(model_profiles([_profile(heads, query) for heads in found])),
        table(("Model", "Heads", "Runs>", "The most>", *(f"{label}>" for label in rules)),
              [_model_row(heads, query, rules) for heads in found]),
        *([] if apart is None else _differences(apart, query)),
        note("All models of these runs, whichever is chosen above. Heads of different models are different things: "
             "head by head they are compared only where the models have as many, as a model and its fine-tuned one do. "
             "Attention is over each model's own tokens."),
    ]  # fmt: skip
    csv = [] if apart is None else [Download("CSV", href=links.heads_file(MODELS_FILE, query))]
    return body, download_menu([*csv, *PICTURES], "heads-models")


def models_of(store: RunReader, query: HeadsQuery) -> list[Heads]:
    """The models of these runs that have the statistic of the link, most runs first."""
    return [heads for heads in read_models(store, query) if query.stat in heads.stats]


def _profile(heads: Heads, query: HeadsQuery) -> HeadValues:
    item = heads.stats[query.stat]
    values = item.mean if item.statistic in ATTENTION else item.mean_size
    return HeadValues(heads.model, unit_of(item.statistic), values.reshape(-1))


def _model_row(heads: Heads, query: HeadsQuery, rules: Sequence[str]) -> html.Tr:
    item = heads.stats[query.stat]
    values = _profile(heads, query).values.reshape(item.mean.shape)
    layer, head = np.unravel_index(int(np.nanargmax(values)), values.shape)
    counts = Counter(label.rule.label for labels in heads.labels.values() for label in labels)
    link = query.link(model=heads.model, head=f"{layer}.{head}")
    return html.Tr([
        html.Th(stay(heads.model, query.link(model=heads.model, head=""), "hs-strong"), scope="row"),
        html.Td(shape(*item.mean.shape), className="hs-nowrap"),
        html.Td(f"{int(item.n.max()):,}", className="num"),
        html.Td([stay(f"{layer}.{head}", link), f" {plain(float(values[layer, head]), 3)}"], className="num"),
        *(html.Td(f"{counts[label]:,}", className="num") for label in rules),
    ])  # fmt: skip


def _differences(apart: Difference, query: HeadsQuery) -> list[Component]:
    """The heads that differ most."""
    a, b, one, other, gap = apart.first, apart.second, apart.one, apart.other, apart.gap
    known = np.isfinite(gap)
    order = sorted(np.argwhere(known).tolist(), key=lambda cell: -abs(gap[tuple(cell)]))
    rows = [
        html.Tr([
            html.Th(f"{layer}.{head}", scope="row"),
            *(html.Td(plain(float(item.mean[layer, head]), 3), className="num") for item in (one, other)),
            html.Td([html.B(signed(float(gap[layer, head]), 3)),
                     html.Span(_spread(apart, (layer, head)), className="hs-sub")], className="num"),
        ])
        for layer, head in order[:LISTED]
    ]  # fmt: skip
    alike = float(np.corrcoef(one.mean[known], other.mean[known])[0, 1]) if known.sum() > 2 else float("nan")
    said = f"{name_of(query.stat)}, {a.model} and {b.model}: correlation over {plural(int(known.sum()), 'head')} "
    return [
        html.P([said, html.B(signed(alike)), ". The heads that differ most:"], className="hs-said"),
        table(("Layer.head", f"{a.model}>", f"{b.model}>", "Difference>"), rows),
        note(APART),
    ]


def _spread(apart: Difference, cell: tuple[int, int]) -> str:
    return interval(float(apart.low[cell]), float(apart.high[cell]), 3) or "too few runs"
