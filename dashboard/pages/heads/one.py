"""One head run by run: every statistic with an interval over prompts, and its foremost runs. The Heads page has it as a
card, the page of a head as several."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component
from numpy.typing import NDArray

from headscope.analysis.errors import InputError
from headscope.analysis.statistics.intervals import FEWEST, Means, bootstrap_means
from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, download_menu, empty_box, extra
from headscope.dashboard.covered import prompt, run_link
from headscope.dashboard.figures.heads import HeadValues, head_spread
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.heads import view
from headscope.dashboard.pages.heads.query import HeadQuery, Heads, HeadsQuery, HeadState, name_of, read, unit_of
from headscope.dashboard.pages.heads.rows import ATTENTION, within
from headscope.dashboard.parts import graph, note, sampled_note, stay
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.words import DASH
from headscope.storage.rows import HeadMeans, HeadRuns

Floats = NDArray[np.float64]
TOP = 10
HEAD_FILE = "head.csv"

HOW = (
    "Means with 95 % intervals over prompts (bootstrap, further out where values are skewed), both sides of a pair "
    f"drawn together; none below {FEWEST} prompts. Place: by the mean over all runs, of scores by their mean size; 1 "
    "has the most."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One statistic of the head: over all runs, and run by run."""

    item: HeadMeans
    values: Floats


@dataclass(frozen=True, slots=True)
class OneHead:
    """The head of a link over its runs. lines: every statistic that was measured of it."""

    heads: Heads
    cell: tuple[int, int]
    runs: HeadRuns
    lines: list[Line]

    def means(self) -> Means:
        """Of every line, with intervals."""
        values = np.stack([line.values for line in self.lines], axis=1)
        low, high = np.transpose([within(line.item.statistic) for line in self.lines])
        return bootstrap_means(values, self.runs.pair, within=(low, high))


class NoSuchHead(InputError):  # noqa: N818 - a state of the link, not a fault
    """The link names a head that the model does not have; `heads` are those it has."""

    def __init__(self, query: HeadState, heads: Heads) -> None:
        layers, n = heads.chosen(query).mean.shape
        super().__init__(
            f"“{query.head}” is no head of {heads.model}: say layer.head, from 0.0 to {layers - 1}.{n - 1}."
        )
        self.model = heads.model


def find_head(services: Services, query: HeadState) -> OneHead | None:
    """What is known of the head of the link; without lines where nothing was measured of it; None where no head was
    measured. Raises NoSuchHead."""
    heads = read(services.store, query)
    if heads is None:
        return None
    cell = query.cell
    layers, n = heads.chosen(query).mean.shape
    if cell is None or cell[0] >= layers or cell[1] >= n:
        raise NoSuchHead(query, heads)
    found = services.store.head_runs(replace(query, model=heads.model).where(), *cell)
    lines = [
        Line(item, values)
        for name, item in heads.stats.items()
        if (values := found.values.get((name, item.quantity, item.params))) is not None and np.isfinite(values).any()
    ]
    return OneHead(heads, cell, found, lines)


def read_head(services: Services, query: HeadState) -> OneHead | Component | None:
    """The head of the link; or a box that says why there is nothing of it; None where no head was measured."""
    try:
        one = find_head(services, query)
    except NoSuchHead as error:
        return no_such_head(query, error)
    if one is not None and not one.lines:
        return empty_box("Nothing was measured of this head in these runs", icon_name="diagram-3")
    return one


def show_head(services: Services, query: HeadsQuery) -> Children:
    """The head of the link; nothing while none is chosen."""
    one = read_head(services, query) if query.head else None
    if not isinstance(one, OneHead):
        return one
    heads, cell, found, lines, means = one.heads, one.cell, one.runs, one.lines, one.means()
    page = dcc.Link("Open its page", href=query.page_of(heads.model, *cell), className="hs-button")
    body = [
        *view.newest(heads),
        *sampled_note(len(found.run_id), found.total),
        html.P([html.B(f"Layer {cell[0]}, head {cell[1]}"), f" of {heads.model}: ", *said_labels(heads, cell)],
               className="hs-said"),
        table(("Statistic", "Mean over prompts>", "Median>", "Least to largest>", "Place among heads>", "Runs>"),
              [line_row(line, means, i, cell, query) for i, line in enumerate(lines)]),
        graph(head_spread([HeadValues(name_of(line.item.statistic), unit_of(line.item.statistic), line.values)
                           for line in lines])),
        *top_runs(services, found, chosen(lines, query)),
        note(HOW),
    ]  # fmt: skip
    csv = Download("CSV", href=links.head_file(HEAD_FILE, file_query(query, heads.model)))
    return body, [page, download_menu([csv, *PICTURES], "heads-one"), stay("Close", query.link(head=""), "hs-button")]


def file_query(query: HeadState, model: str) -> HeadQuery:
    """What the files of the head are asked with: the same runs, which the model narrows already."""
    return HeadQuery(experiment=query.experiment, model=model, prompt_set=query.prompt_set, stat=query.stat,
                     head=query.head, narrowed=query.narrowed.without("model"))  # fmt: skip


def said_labels(heads: Heads, cell: tuple[int, int]) -> list[Children]:
    """Its labels with their evidence, in a line."""
    labels = heads.labels.get(cell, [])
    return [view.labels_cell(labels)] if labels else ["no label: no rule holds with its whole interval."]


def line_row(line: Line, means: Means, i: int, cell: tuple[int, int], query: HeadState) -> html.Tr:
    """One statistic, column `i` of the means."""
    item, known = line.item, line.values[np.isfinite(line.values)]
    say = plain if item.statistic in ATTENTION else signed
    unit = unit_of(item.statistic)
    name = f"{name_of(item.statistic)}{f', {unit}' if unit else ''}"
    under = "" if item.statistic in ATTENTION else view.setting(item)
    spread = interval(float(means.low[i]), float(means.high[i]), 3) or "too few prompts"
    return html.Tr([
        html.Th([stay(name, query.link(stat=item.statistic), "hs-strong"), html.Span(under, className="hs-sub")],
                scope="row"),
        html.Td([html.B(say(float(means.mean[i]), 3)), html.Span(spread, className="hs-sub")], className="num"),
        html.Td(say(float(np.median(known)), 3), className="num"),
        html.Td(f"{say(float(known.min()), 2)} to {say(float(known.max()), 2)}", className="num"),
        html.Td(place_of(item, cell), className="num"),
        html.Td(f"{len(known):,}", className="num"),
    ])  # fmt: skip


def place_of(item: HeadMeans, cell: tuple[int, int]) -> str:
    """3 of 270."""
    found = rank_of(item, cell)
    return DASH if found is None else f"{found[0]} of {found[1]:,}"


def rank_of(item: HeadMeans, cell: tuple[int, int]) -> tuple[int, int] | None:
    """How many heads have more, and one; and how many were measured. None where this one was not."""
    values = item.mean if item.statistic in ATTENTION else item.mean_size
    if np.isnan(values[cell]):
        return None
    return int((values > values[cell]).sum()) + 1, int(np.isfinite(values).sum())


def chosen(lines: list[Line], query: HeadState) -> Line:
    """The statistic whose runs are listed."""
    return next((line for line in lines if line.item.statistic == query.stat), lines[0])


def top_runs(services: Services, found: HeadRuns, line: Line, most: int = TOP) -> list[Component]:
    """The runs in which the head has the most of the statistic, leading to them."""
    sizes = line.values if line.item.statistic in ATTENTION else np.abs(line.values)
    order = [int(i) for i in np.argsort(-sizes, kind="stable")[:most] if np.isfinite(sizes[i])]
    why = services.store.offensive([found.run_id[i] for i in order])
    say = plain if line.item.statistic in ATTENTION else signed
    rows = [
        html.Tr([html.Td(run_link(found.text[i], links.run(found.run_id[i]), prompt(why, found.run_id[i])),
                         className="hs-text"),
                 html.Td(say(float(line.values[i]), 3), className="num")],
                **extra(data_href=links.run(found.run_id[i])))
        for i in order
    ]  # fmt: skip
    return [table((f"Most {name_of(line.item.statistic).lower()}", "Value>"), rows, rows_open=True)]


def all_heads(query: HeadState, model: str) -> str:
    """The Heads page over the same runs."""
    state = HeadsQuery(experiment=query.experiment, model=model, prompt_set=query.prompt_set, stat=query.stat,
                       narrowed=query.narrowed)  # fmt: skip
    return state.link()


def no_such_head(query: HeadState, error: NoSuchHead) -> Component:
    """A link to a head that the model does not have."""
    return empty_box(
        "No such head",
        html.P(str(error)),
        html.P(dcc.Link("Show all heads", href=all_heads(query, error.model))),
        icon_name="diagram-3",
    )
