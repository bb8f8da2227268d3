"""How often each verdict came out, method by method; results that did not converge are a verdict of their own."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.types.receipts import Verdict
from headscope.dashboard.cards import Children, icon
from headscope.dashboard.pages.methods.query import MethodsQuery, label, summary
from headscope.dashboard.pages.methods.rows import VERDICTS
from headscope.dashboard.parts import stay
from headscope.dashboard.tables import table
from headscope.dashboard.units import percents, ratio
from headscope.dashboard.verdicts import SHOWN
from headscope.dashboard.words import DASH, plural
from headscope.storage.rows import MethodStats

COUNTED = dict(zip(VERDICTS, (Verdict.BETTER, Verdict.BETTER_THAN_RANDOM, Verdict.UNCOMPARED, Verdict.NO_BETTER,
                              Verdict.NOT_CONVERGED), strict=True))  # fmt: skip
WORDS = {name: SHOWN[verdict].words for name, verdict in COUNTED.items()}


def behind_of(query: MethodsQuery, row: MethodStats, *, by_set: bool) -> str:
    """The receipts behind a row."""
    chosen = {"method": row.method, **({"prompt_set": row.prompt_set} if by_set and row.prompt_set else {})}
    return query.link(**chosen) + "#methods-receipts"


def verdict_table(query: MethodsQuery, stats: Sequence[MethodStats], *, by_set: bool) -> Component | None:
    """A row per method with receipts, a column per verdict; old ones have a column only where there are some."""
    tested = [row for row in stats if row.n_tested]
    if not tested:
        return None
    columns = [name for name in WORDS if name != "n_uncompared" or any(row.n_uncompared for row in tested)]
    head = (
        "Method",
        *(("Prompt set",) if by_set else ()),
        "Receipts>",
        *(f"{WORDS[name].capitalize()}>" for name in columns),
    )
    rows = [
        html.Tr(
            [
                html.Th(stay(label(row.method), behind_of(query, row, by_set=by_set), "hs-strong", summary(row.method)),
                        scope="row"),
                *([html.Td(row.prompt_set or DASH, className="hs-nowrap")] if by_set else []),
                html.Td(f"{row.n_tested:,}", className="num"),
                *(html.Td(share(getattr(row, name), row.n_tested, WORDS[name]), className="num") for name in columns),
            ]
        )
        for row in tested
    ]  # fmt: skip
    return html.Div([html.H3("Verdicts"), table(head, rows)], className="hs-methods-board hs-methods-verdicts")


def share(count: int, total: int, words: str) -> Children:
    """A share with its interval and its counts; the bar says the same as the number."""
    low, high = wilson(count, total)
    said = f"{words}: {count:,} of {plural(total, 'receipt')}; 95 % Wilson interval {percents(low, high)} %"
    bar = html.I(className="hs-share", style={"--t": f"{count / total:.3f}"})
    return [html.Span(ratio(count, total), title=said), bar,
            html.Span(f"{percents(low, high)} · {count:,}", className="hs-sub")]  # fmt: skip


def mark(verdict: Verdict) -> html.Span:
    """Icon and words."""
    shown = SHOWN[verdict]
    return html.Span([icon(shown.icon), " ", shown.words], className=f"hs-verdict hs-verdict-{shown.tone}")
