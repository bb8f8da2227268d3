"""All runs of a comparison at once, 2 to 20: one measure of every word, aligned across tokenizers, beside the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.dashboard import links
from headscope.dashboard.cards import Children
from headscope.dashboard.numbers import significant
from headscope.dashboard.pages.compare.across_measures import MEASURES, Many, aligned_runs, measured, methods_of
from headscope.dashboard.pages.compare.across_numbers import Across
from headscope.dashboard.pages.compare.canvas import map_canvas, packed
from headscope.dashboard.pages.compare.columns import scale_legend
from headscope.dashboard.pages.compare.facts import missing
from headscope.dashboard.pages.compare.numbers import largest
from headscope.dashboard.pages.compare.query import CompareQuery, letter
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.surprisal import start_notes
from headscope.dashboard.pages.compare.view import options, select, sentences
from headscope.dashboard.tables import table
from headscope.dashboard.text import quoted
from headscope.storage.rows import RunDetail

Floats = NDArray[np.float64]


def across_view(reader: RecentRuns, query: CompareQuery, runs: Sequence[RunDetail]) -> Children:
    """The figure of the chosen measure, a row of numbers per run, and what cannot be shown and why."""
    lost = [missing(letter(i), run, "measurements") for i, run in enumerate(runs) if run.trace is None]
    many = aligned_runs(runs)
    if many is None:
        return sentences(lost)
    view, said = measured(reader, query, many)
    traces = {name.split()[0]: trace for name, trace in zip(many.names, many.traces, strict=True)}
    notes = [html.P(text, className="hs-muted") for text in (*said, *start_notes(traces), *lost)]
    if not np.isfinite(view.values).any():
        return [sentences([f"No run has a number for {MEASURES[query.across].lower()} here."]), *notes]
    return [_map(view), _table(many, view), *notes]


def _map(view: Across) -> Component:
    limit = largest(view.values)
    more = {} if view.bounds is None else {"high": packed(view.bounds[0]), "shared": packed(view.bounds[1])}
    canvas = map_canvas("word", MEASURES[view.measure], view.values, view.runs, view.words, limit, signed=view.signed,
                        unit=view.unit, **more)  # fmt: skip
    return html.Div([canvas, scale_legend(limit, view.signed, view.unit)])


def across_actions(query: CompareQuery, runs: Sequence[RunDetail]) -> Children:
    """Switches: the measure, the method of an attribution, the difference from A."""
    names = methods_of(runs)
    parts: list[Component] = [options("across", list(MEASURES.items()), query.across, "Measure")]
    if query.across == "attribution" and names:
        now = query.method if query.method in names else names[0]
        parts.append(select("method", "Method", [(name, name.replace("_", " ")) for name in names], now))
    if query.across != "divergence":
        parts.append(options("minus", [("0", "as measured"), ("1", "minus A")], str(int(query.minus)), "Difference"))
    return parts


def _table(many: Many, view: Across) -> Component:
    rows = [
        html.Tr([html.Td(dcc.Link(name, href=links.run(run.row.id))), *_cells(values, many.words)])
        for name, run, values in zip(many.names, many.runs, view.values, strict=True)
    ]
    return table(("Run", f"Mean, {view.unit}>", f"Largest, {view.unit}>", "Words matched>"), rows)


def _cells(values: Floats, words: Sequence[str]) -> list[Component]:
    known = values[np.isfinite(values)]
    mean, largest = "–", "–"
    if known.size:
        top = int(np.nanargmax(np.abs(values)))
        mean, largest = significant(float(known.mean())), f"{significant(float(values[top]))} {quoted(words[top], 14)}"
    numbers = (mean, largest, f"{known.size} of {len(words)}")
    return [html.Td(item, className="num") for item in numbers]
