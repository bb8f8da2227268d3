"""Agreement between methods as a matrix of readable numbers, and the prompts they disagree about most."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from headscope.analysis.statistics.intervals import FEWEST, Means
from headscope.dashboard import links
from headscope.dashboard.cards import Children, empty_box, extra, icon
from headscope.dashboard.covered import covered, prompt, run_link
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.methods import unsure
from headscope.dashboard.pages.methods.comparison import Comparison, Dispute, disputes, shown_methods
from headscope.dashboard.pages.methods.query import MEASURES, TOPS, MethodsQuery, label, summary
from headscope.dashboard.parts import note, sql_box, stay, switch, warning
from headscope.dashboard.tables import table
from headscope.dashboard.text import visible
from headscope.dashboard.words import DASH, plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Offences

LISTED = 15
SAID = {
    "tau": "Do they rank tokens alike? Rank correlation of the sizes of the scores (signs aside) on each prompt: 1 the "
           "same order, 0 unrelated, −1 the reverse.",
    "overlap": "Do they point at the same tokens? Share of the {k} tokens with the largest scores that both have in "
               "common; random orders share {chance}.",
    "signs": "Do they call the same tokens evidence for and against? Of the tokens among either's {k} largest, the "
             "share with the same sign; methods without signs are left out.",
}  # fmt: skip


def matrix(query: MethodsQuery, comparison: Comparison, statement: str) -> Children:
    """The card's content; `statement` is the SQL that finds the scores."""
    if len(comparison.methods) < 2:
        return [*unsure.said(query, comparison.unsure), too_few(comparison)]
    methods = shown_methods(comparison, query)
    if len(methods) < 2:
        return [chooser(query, comparison), note("Choose at least two methods.")]
    means, index = comparison.measure(query.measure), comparison.index(methods)
    most = max((int(means.n[a, b]) for a in index for b in index if a != b), default=0)
    said = SAID[query.measure].format(k=query.k, chance=plain(comparison.chance))
    return [
        chooser(query, comparison),
        html.P(said, className="hs-methods-said"),
        *sample_notes(query, comparison, most),
        html.Div(matrix_table(query, comparison, methods, means, most), className="hs-scroll-x"),
        note("Means over prompts with 95 % intervals over prompts (bootstrap, further out where values are skewed); at "
             f"most n = {plural(most, 'run')}, and n stands in a cell that has fewer. Choose a cell to list the "
             "prompts on which its two methods disagree most."),
        sql_box(statement),
    ]  # fmt: skip


def too_few(comparison: Comparison) -> Component:
    """Nothing to compare with."""
    found = f"Only {label(comparison.methods[0])} has" if comparison.methods else "No method has"
    return empty_box(
        "Nothing to compare",
        html.P(f"{found} one score per token on these runs, and agreement needs two methods."),
        icon_name="grid-3x3",
    )


def sample_notes(query: MethodsQuery, comparison: Comparison, most: int) -> list[Component]:
    """What the numbers are over, when that is not simply every prompt."""
    found: list[Component] = []
    if comparison.total > len(comparison.runs):
        found.append(note(icon("funnel"), f" A fixed random sample of {len(comparison.runs):,} of {comparison.total:,} "
                          "runs: comparing all of them would take too long."))  # fmt: skip
    found += unsure.said(query, comparison.unsure)
    if most < FEWEST:
        found.append(warning(f"Fewer than {FEWEST} prompts: no intervals."))
    return found


def measures(query: MethodsQuery) -> Component:
    """Which number the matrix shows."""
    return switch("measure", query, list(MEASURES.items()), "Measure")


def chooser(query: MethodsQuery, comparison: Comparison) -> Component:
    """Methods to leave out or take in again, and how many tokens are the top."""
    entries = [
        stay(
            [icon("check-square-fill" if name not in query.hide else "square"), label(name)],
            query.link(hide=_toggled(query.hide, name)),
            "" if name not in query.hide else "hs-off",
            summary(name),
        )
        for name in comparison.methods
    ]
    group = html.Div(entries, className="hs-methods-chooser", role="group", **extra(aria_label="Methods compared"))
    if query.measure == "tau":
        return group
    tops = sorted({*TOPS, query.k})
    top = switch("k", query, [(str(k), str(k)) for k in tops], "Tokens that are the top")
    return html.Div([group, html.Div(["k", top], className="hs-methods-k")])


def _toggled(hidden: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(other for other in hidden if other != name) if name in hidden else (*hidden, name)


def matrix_table(
    query: MethodsQuery, comparison: Comparison, methods: Sequence[str], means: Means, most: int
) -> html.Table:
    """A row and a column per method."""
    columns = [html.Th(html.Span(label(name)), scope="col", title=summary(name)) for name in methods]
    index = comparison.index(methods)
    rows = [
        html.Tr(
            [
                html.Th(label(name), scope="row", title=summary(name)),
                *(cell(query, methods[i], methods[j], means, (a, b), most) for j, b in enumerate(index)),
            ]
        )
        for i, (name, a) in enumerate(zip(methods, index, strict=True))
    ]
    head = html.Thead(html.Tr([html.Td(), *columns]))
    return html.Table([head, html.Tbody(rows)], className="hs-methods-matrix")


def cell(query: MethodsQuery, one: str, other: str, means: Means, at: tuple[int, int], most: int) -> html.Td:
    """A mean with its interval; the colour says the same as the number."""
    if one == other:
        return html.Td(className="hs-cell-own")
    mean, low, high, n = float(means.mean[at]), float(means.low[at]), float(means.high[at]), int(means.n[at])
    if math.isnan(mean):
        return html.Td(DASH, className="hs-cell-none", title=f"{label(one)} and {label(other)}: nothing to compare")
    tau = query.measure == "tau"
    words = [html.B(signed(mean) if tau else plain(mean)), html.Small(interval(low, high))]
    if n < most:
        words.append(html.Small(f"n {n:,}"))
    tone = "negative" if mean < 0 else "positive" if tau else "share"
    said = f"{label(one)} and {label(other)}: {MEASURES[query.measure]} {plain(mean, 3)}"
    said += f", 95 % {interval(low, high, 3)}" if not math.isnan(low) else ""
    pair = ",".join(sorted((one, other)))
    chosen = query.two is not None and set(query.two) == {one, other}
    address = query.link(pair="" if chosen else pair) + "#methods-disputes"
    link = stay(words, address, title=f"{said}, {plural(n, 'run')}")
    return html.Td(link, className=f"{tone}{' hs-on' if chosen else ''}", style={"--t": f"{abs(mean):.3f}"})


def dispute_list(query: MethodsQuery, comparison: Comparison, store: RunReader) -> Children:
    """The most disputed prompts, each one click from its run."""
    two = query.two
    methods = shown_methods(comparison, query) if two is None else two
    found = disputes(comparison, methods)
    back: list[Children] = []
    if two is not None:
        back = [html.P(["Between ", html.B(label(two[0])), " and ", html.B(label(two[1])), ". ",
                        stay("All methods", query.link(pair=""))])]  # fmt: skip
    if not found:
        return [
            *back,
            empty_box("No disputes", html.P("No prompt has scores of two of these methods that rank tokens.")),
        ]
    why = store.offensive([item.run.run_id for item in found[:LISTED]])
    left_out = len(comparison.runs) - len(found)
    head = ("Dispute>", "Prompt", "Furthest apart", "Model")
    return [
        *back,
        *unsure.said(query, comparison.unsure),
        table(head, [dispute_row(item, why) for item in found[:LISTED]], rows_open=True),
        note(f"{min(LISTED, len(found)):,} of {plural(len(found), 'run')}. Dispute is 1 minus the mean τ of every two: "
             "0 they agree, 1 unrelated, more: they contradict each other.",
             f" {plural(left_out, 'run')} without two of these methods." if left_out else ""),
    ]  # fmt: skip


def dispute_row(item: Dispute, why: Offences) -> html.Tr:
    """How disputed, which prompt, by whom."""
    run = item.run
    address = links.run(run.run_id, item.apart)
    target = f"{visible(run.target)} rather than {visible(run.foil)}" if run.foil else visible(run.target)
    offends = prompt(why, run.run_id)
    text, said = run_link(run.text, address, offends), covered(target, target, offends)
    bar = html.I(className="hs-dispute", style={"--t": f"{min(1.0, item.value / 2):.3f}"})
    return html.Tr(
        [
            html.Td([html.B(plain(item.value)), bar], className="num"),
            html.Td([text, html.Span(["explains ", said], className="hs-sub")], className="hs-text"),
            html.Td([f"{label(item.apart[0])} – {label(item.apart[1])} ",
                     html.Span(f"τ {signed(item.apart_tau)}", className="hs-sub")], className="hs-nowrap"),
            html.Td(run.model, className="hs-nowrap"),
        ],
        **extra(data_href=address),
    )  # fmt: skip
