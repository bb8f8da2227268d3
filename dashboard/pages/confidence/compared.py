"""The card that compares series with one of them."""

from __future__ import annotations

import numpy as np
from dash import html

from headscope.analysis.statistics.effects import adjusted
from headscope.analysis.statistics.intervals import FEWEST
from headscope.analysis.statistics.series import Difference
from headscope.dashboard.cards import Children, empty_box, icon
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.confidence.measured import COMPARED, PLAIN, compared
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.confidence.series import series_of
from headscope.dashboard.pages.confidence.view import series_cell
from headscope.dashboard.parts import menu, note, sampled_note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.words import DASH

LEVEL = 0.05
HEAD = ("Series", *(f"{item.title}{'' if item.unit in PLAIN else f', {item.unit}'}>" for item in COMPARED))


def differences(services: Services, query: ConfidenceQuery) -> Children:
    """Every other series minus the chosen one, measure by measure."""
    runs = services.store.measures(query.where())
    split = series_of(runs, query.by)
    if len(split) < 2:
        said = f"All of these runs have one {query.by.replace('_', ' ')}: compare by another, or choose more runs."
        return empty_box("Nothing to compare", html.P(said), icon_name="arrow-left-right")
    base = next((item for item in split if item.name == query.against), split[0])
    others = [item for item in split if item is not base]
    found = [[compared(runs, item, base, measure, query.by) for measure in COMPARED] for item in others]
    p_values = adjusted([cell.p for row in found for cell in row]).reshape(len(others), len(COMPARED))
    rows = [
        html.Tr([series_cell(item, query), *(_cell(*cell) for cell in zip(row, p_values[i], strict=True))])
        for i, (item, row) in enumerate(zip(others, found, strict=True))
    ]
    marked, tested = int((p_values < LEVEL).sum()), int(np.isfinite(p_values).sum())
    entries = [(item.name, query.link(against=item.name), len(item.rows)) for item in split]
    return [
        *sampled_note(len(runs), runs.total, "runs, pairs whole"),
        html.P([html.B(f"{marked} of {tested}"), " differences would rarely come by chance (Benjamini-Hochberg over "
                "the table, 5 %)."], className="hs-said"),
        table(HEAD, rows),
        note(f"Each series minus {base.name}. Pairs: one prompt on both models, or both sides of a pair (groups); "
             "p by flipping signs. Runs: different prompts, p by dealing them anew. Adjusted p. Bootstrap "
             "intervals, Newcombe’s where all are right or wrong alike; the prompts of a pair are one observation, "
             f"fewer than {FEWEST} have neither. Surprisal of two models is compared where both cut the prompt into as "
             "many tokens, log P(target) and right where the target is a right answer."),
    ], menu("Against", base.name, entries)  # fmt: skip


def _cell(found: Difference, p: float) -> html.Td:
    """The difference with its interval; below it what says how far to believe it."""
    if not found.n:
        return html.Td(DASH, className="num", title="nothing to compare in both")
    on = p < LEVEL
    said = [icon("flag-fill"), " ", html.B(signed(found.mean))] if on else [signed(found.mean)]
    what = "pairs" if found.paired else "runs"
    return html.Td(
        [
            *said,
            html.Small(f" {interval(found.low, found.high)}"),
            html.Small(f"p {plain(p, 4)} · {found.n:,} {what}", className="hs-sub"),
        ],
        className="num hs-marked" if on else "num",
        title=f"unadjusted p {plain(found.p, 4)}; {found.clusters:,} independent prompts",
    )
