"""The first card of a comparison: every run in one row, beside A, in all that runs are compared in."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.types import RunStatus
from headscope.dashboard import links
from headscope.dashboard.cards import Children
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.compare.across_measures import Many, aligned_runs, methods_of
from headscope.dashboard.pages.compare.facts import missing
from headscope.dashboard.pages.compare.query import CompareQuery, letter
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.compare.summaries import Summary, few, summaries
from headscope.dashboard.parts import note
from headscope.dashboard.tables import table
from headscope.dashboard.text import quoted, short
from headscope.dashboard.units import probability
from headscope.dashboard.words import DASH
from headscope.storage.rows import RunDetail

HEAD = ("Run", "Text", "Next token", "Margin, nats>", "Surprisal, bits per character>", "Divergence from A, bits>",
        "Attribution moved>", "Attention moved>", "Lens settles after>", "Words matched>")  # fmt: skip


def summary_view(reader: RecentRuns, query: CompareQuery, runs: Sequence[RunDetail]) -> Children:
    """The table; below it how its numbers come about, and runs that have none."""
    lost = [(letter(i), run) for i, run in enumerate(runs) if run.trace is None]
    many = aligned_runs(runs)
    rows = [] if many is None else [_row(one, len(many.words)) for one in summaries(reader, query, many)]
    rows += [_without(name, run) for name, run in lost]
    said = [missing(name, run, "measurements") for name, run in lost]
    if many is not None:
        said = [_method(query, many), *said]
    return [table(HEAD, rows), *map(note, said)]


def _method(query: CompareQuery, many: Many) -> str:
    names = methods_of(many.runs)
    method = (query.method if query.method in names else names[0]).replace("_", " ") if names else ""
    unread = "" if few(many) else (
        " Attention of runs as long as these is read when it is asked for: choose it in the next card."
    )  # fmt: skip
    by = f" ({method})" if method else ""
    return (
        f"Beside {many.names[0]}, over the words of its text that a run has, too. Surprisal: of the characters of "
        "words that all runs have. Divergence: Jensen–Shannon, mean over words of what is expected next, at least and "
        f"at most, with the word where it is largest. Attribution{by} and attention of the last token (mean of all "
        "heads): half the sum of absolute differences of shares, 0 the same and 1 no overlap. Lens: mean share of the "
        f"layers after which its top token is the last layer’s.{unread}"
    )


def _row(one: Summary, words: int) -> html.Tr:
    row = one.run.row
    text, token = row.text or "", short(row.next_token or DASH)
    chance = "" if row.next_token_prob is None else probability(row.next_token_prob)
    most = interval(one.divergence, one.divergence_most, 3)
    apart = [plain(one.divergence, 3), html.Small(f" {most}"), _word(one.divergent)]
    cells = (
        signed(one.margin), plain(one.surprisal), apart,
        plain(one.attribution), plain(one.attention), plain(one.lens), f"{one.words} of {words}",
    )  # fmt: skip
    return html.Tr(
        [
            html.Th(dcc.Link(one.name, href=links.run(row.id)), scope="row"),
            html.Td(html.Span(text, className="hs-ellipsis", title=text), className="hs-text"),
            html.Td([token, html.Span(chance, className="hs-sub")]),
            *(html.Td(cell, className="num") for cell in cells),
        ]
    )


def _word(text: str) -> Component | None:
    return html.Span(quoted(text, 14), className="hs-sub") if text else None


def _without(name: str, run: RunDetail) -> html.Tr:
    said = "failed" if run.row.status is RunStatus.FAILED else "not measured"
    text = run.row.text or ""
    link = dcc.Link(f"{name}  {short(run.model.ref.name, 22)}", href=links.run(run.row.id))
    return html.Tr([
        html.Th(link, scope="row"), html.Td(html.Span(text, className="hs-ellipsis", title=text), className="hs-text"),
        html.Td(said, colSpan=len(HEAD) - 2),
    ])  # fmt: skip
