"""The card that compares series with one of them."""

from __future__ import annotations

from dash import html

from headscope.analysis.statistics.effects import adjusted
from headscope.analysis.statistics.intervals import FEWEST
from headscope.analysis.statistics.series import Difference
from headscope.dashboard.cards import Children, empty_box, icon
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.confidence.measured import COMPARED, compared
from headscope.dashboard.pages.confidence.query import ConfidenceQuery
from headscope.dashboard.pages.confidence.series import series_of
from headscope.dashboard.parts import menu, note, sampled_note
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table

LEVEL = 0.05
HEAD = ("Series", "Measure", "Difference>", "95 % interval>", "p, adjusted>", "Compared")


def differences(services: Services, query: ConfidenceQuery) -> Children:
    """Every other series minus the chosen one, measure by measure."""
    runs = services.store.measures(query.where())
    split = series_of(runs, query.by)
    if len(split) < 2:
        said = f"All of these runs have one {query.by.replace('_', ' ')}: compare by another, or choose more runs."
        return empty_box("Nothing to compare", html.P(said), icon_name="arrow-left-right")
    base = next((item for item in split if item.name == query.against), split[0])
    found = [
        (item.name, measure.title, measure.unit, compared(runs, item, base, measure, query.by))
        for item in split if item is not base
        for measure in COMPARED
    ]  # fmt: skip
    found = [row for row in found if row[3].n]
    p_values = adjusted([row[3].p for row in found])
    rows = [_row(*row, float(p)) for row, p in zip(found, p_values, strict=True)]
    marked = int((p_values < LEVEL).sum())
    entries = [(item.name, query.link(against=item.name), len(item.rows)) for item in split]
    return [
        *sampled_note(len(runs), runs.total, "runs, pairs whole"),
        html.P([html.B(f"{marked} of {len(rows)}"), " differences would rarely come by chance (Benjamini-Hochberg over "
                "the table, 5 %)."], className="hs-said"),
        table(HEAD, rows),
        note(f"Each series minus {base.name}. Prompt by prompt where both have the same prompts (models) or both sides "
             "of pairs (groups), p by flipping signs; else two groups of prompts, p by dealing them anew. Bootstrap "
             f"intervals; the prompts of a pair are one observation, fewer than {FEWEST} have neither. Surprisal of "
             "two models is compared where both cut the prompt into as many tokens, log P(target) and right where the "
             "target is a right answer."),
    ], menu("Against", base.name, entries)  # fmt: skip


def _row(name: str, title: str, unit: str, found: Difference, p: float) -> html.Tr:
    on = p < LEVEL
    said, chance = signed(found.mean, 3), plain(p, 4)
    how = "prompt by prompt" if found.paired else "different prompts"
    return html.Tr(
        [
            html.Td(name),
            html.Td([title, html.Small(f" {unit}")]),
            html.Td([icon("flag-fill"), " ", html.B(said)] if on else said, className="num"),
            html.Td(interval(found.low, found.high, 3) or "none", className="num"),
            html.Td(html.B(chance) if on else chance, className="num", title=f"unadjusted {plain(found.p, 4)}"),
            html.Td([f"{found.n:,} {how}", html.Small(f"{found.clusters:,} independent", className="hs-sub")]),
        ],
        className="hs-marked" if on else "",
    )
