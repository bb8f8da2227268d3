"""The leaderboard: what removing tokens in a method's order does beside random orders, and what the method costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.intervals import FEWEST, t_interval, wilson
from headscope.dashboard import links
from headscope.dashboard.cards import Children, Download, copyable, download_menu, empty_box, extra, icon
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.methods import sql
from headscope.dashboard.pages.methods.query import MethodsQuery, label, runs_of, summary
from headscope.dashboard.parts import note, sql_box, stay, warning
from headscope.dashboard.tables import table
from headscope.dashboard.text import visible
from headscope.dashboard.units import memory, percent, percents, ratio, seconds
from headscope.dashboard.words import DASH, plural
from headscope.storage.rows import MethodFailure, MethodStats, ReceiptRow

HEAD = (
    "Method", "Runs>", "Gain over random, nats", "Compr.>", "Suff.>", "Better than random>",
    "Error>", "Sensitivity>", "Time>", "Peak memory>",
)  # fmt: skip
REASONS = 3  # per method


@dataclass(frozen=True, slots=True)
class Scale:
    """What the gain column's drawing runs from and to; 0 is always on it."""

    low: float
    high: float

    def place(self, value: float) -> str:
        """Percent from the left."""
        return f"{100 * (value - self.low) / ((self.high - self.low) or 1.0):.2f}%"


def board(
    query: MethodsQuery, stats: Sequence[MethodStats], failures: Sequence[MethodFailure], n_models: int
) -> Children:
    """The card's content."""
    if not stats:
        return nothing(query)
    by_set = query.by == "set"
    measured = [row for row in stats if row.n_receipts]
    scale = gain_scale(measured)
    head = (HEAD[0], "Prompt set", *HEAD[1:]) if by_set else HEAD
    body = [board_row(query, row, scale, by_set) for row in (*measured, *(row for row in stats if not row.n_receipts))]
    return [
        *([] if measured else [unmeasured(query)]),
        *cautions(measured, n_models),
        html.Div(table(head, body), className="hs-methods-board"),
        failed(query, stats, failures),
        note(
            "Gain: how far the explained quantity falls when the highest-ranked tokens are removed (comprehensiveness) "
            "minus how far when only they are kept (sufficiency), each a mean over shares of tokens; over random: "
            "minus the same for random orders of the same prompt. Means with 95 % t intervals; the share has a Wilson "
            "interval. Error (convergence or conservation, as a share of the explained change) and sensitivity to "
            "embedding noise are medians. Peak memory: the most over what the process held before."
        ),
        sql_box(sql.board(query)),
    ]


def csv_menu(*entries: tuple[str, str, MethodsQuery]) -> Component | None:
    """A card's download menu: label, table's name, state."""
    return download_menu([Download(label, href=links.methods_file(name, query)) for label, name, query in entries])


def nothing(query: MethodsQuery) -> Component:
    """No attribution under this filter."""
    return empty_box(
        "No attributions here",
        html.P(["None of the ", dcc.Link("runs chosen", href=runs_of(query)), " has attributions: their request asked "
                "for none, or all of them failed. Ask for methods and their evidence:"]),
        copyable(command(query)),
        icon_name="rulers",
    )  # fmt: skip


def unmeasured(query: MethodsQuery) -> Component:
    """Attributions, but no receipts."""
    return html.Div(
        [
            html.H3([icon("receipt"), " No receipts were measured here"]),
            html.P("Without them nothing says whether a method's ranking beats a random one. Run the prompts with:"),
            copyable(command(query)),
        ],
        className="hs-methods-missing",
    )


def command(query: MethodsQuery) -> str:
    """What measures receipts for these runs."""
    parts = ["headscope run", f"--prompts {query.prompt_set or 'PROMPTS'}"]
    parts += [f"--model {query.model}"] if query.model else []
    parts += [f"--experiment {query.experiment or 'NAME'}", "--analyses standard,receipts"]
    return " ".join(parts)


def cautions(measured: Sequence[MethodStats], n_models: int) -> list[Component]:
    """Why these numbers may say less than they seem to."""
    found: list[Component] = []
    if n_models > 1:
        found.append(warning(f"{n_models} models are pooled: a method may be good on one and not on the other. "
                             "Choose one above."))  # fmt: skip
    unsure: dict[str, int] = {}
    for row in measured:
        unsure[row.method] = unsure.get(row.method, 0) + row.n_not_converged
    said = ", ".join(f"{n:,} of {label(method)}" for method, n in unsure.items() if n)
    if said:
        found.append(warning(f"Not converged, and in these averages all the same: {said}. More steps or samples make "
                             "them worth their place."))  # fmt: skip
    few = [label(row.method) for row in measured if row.n_receipts < FEWEST]
    if few:
        found.append(warning(f"Fewer than {FEWEST} prompts with a receipt: no intervals for {', '.join(few)}. The "
                             "order of the table means little."))  # fmt: skip
    return found


def board_row(query: MethodsQuery, row: MethodStats, scale: Scale, by_set: bool) -> html.Tr:
    """One method, or one method on one prompt set."""
    chosen = {"method": row.method, **({"prompt_set": row.prompt_set} if by_set and row.prompt_set else {})}
    behind = query.link(**chosen) + "#methods-receipts"
    name = stay(label(row.method), behind, "hs-strong", summary(row.method))
    sub = html.Span(caveat, className="hs-sub") if (caveat := caveat_of(row)) else None
    count = dcc.Link(f"{row.n_receipts or row.n:,}", href=runs_of(query, row.prompt_set if by_set else None),
                     title=f"{row.n_receipts:,} receipts, {row.n:,} attributions")  # fmt: skip
    return html.Tr(
        [
            html.Th([name, sub], scope="row"),
            *([html.Td(row.prompt_set or DASH, className="hs-nowrap")] if by_set else []),
            html.Td(count, className="num"),
            html.Td(gain_cell(row, scale, behind)),
            html.Td(plain(row.comprehensiveness), className="num"),
            html.Td(plain(row.sufficiency), className="num"),
            html.Td(better_cell(row, behind), className="num"),
            html.Td(percent_of(row.error, row.n_error), className="num"),
            html.Td(plain(row.sensitivity), className="num", title=f"median of {row.n_sensitivity:,}"),
            html.Td(seconds(row.seconds), className="num"),
            html.Td(memory(row.peak_bytes), className="num"),
        ],
        className="" if row.n_receipts else "hs-methods-bare",
    )


def caveat_of(row: MethodStats) -> str:
    """What stands under a method's name: why it has no place in the order, or how many did not converge."""
    if not row.n_receipts:
        return without_receipts(row)
    return f"{row.n_not_converged:,} of {row.n - row.n_failed:,} not converged" if row.n_not_converged else ""


def without_receipts(row: MethodStats) -> str:
    """Why a method has no place in the order."""
    if row.n_failed == row.n:
        return "failed everywhere: the reason is below"
    if not row.n_ranked:
        return "no score per token, so no tokens to remove"
    return "no receipt was measured"


def gain_scale(rows: Sequence[MethodStats]) -> Scale:
    """From the lowest to the highest end of an interval, 0 included."""
    ends = [0.0]
    for row in rows:
        mean, low, high = gain(row)
        ends += [value for value in (mean, low, high) if not math.isnan(value)]
    return Scale(min(ends), max(ends))


def gain(row: MethodStats) -> tuple[float, float, float]:
    """Mean gain over random and its interval (nats)."""
    mean = math.nan if row.gain is None else row.gain
    return (mean, *t_interval(mean, math.nan if row.deviation is None else row.deviation, row.n_receipts))


def gain_cell(row: MethodStats, scale: Scale, behind: str) -> Children:
    """The number, its interval in words and as a bar about zero."""
    mean, low, high = gain(row)
    if math.isnan(mean):
        return html.Span(DASH, className="hs-muted")
    bar = [html.I(className="hs-forest-zero", style={"left": scale.place(0)})]
    if not math.isnan(low):
        width = f"calc({scale.place(high)} - {scale.place(low)})"
        bar.append(html.I(className="hs-forest-range", style={"left": scale.place(low), "width": width}))
    bar.append(html.I(className="hs-forest-mean", style={"left": scale.place(mean)}))
    words = [html.B(signed(mean)), html.Small(interval(low, high) or "no interval")]
    tone = "positive" if low > 0 else "negative" if high < 0 else "open"
    return stay([html.Span(words), html.Span(bar, className=f"hs-forest {tone}")], behind, "hs-gain")


def better_cell(row: MethodStats, behind: str) -> Children:
    """Share of prompts on which the method beat random orders."""
    if not row.n_receipts:
        return DASH
    low, high = wilson(row.n_better, row.n_receipts)
    words, prompts = f"{row.n_better:,} of {row.n_receipts:,}", plural(row.n_receipts, "prompt")
    title = f"{row.n_better:,} of {prompts}; 95 % Wilson interval {percent(low).removesuffix(' %')} to {percent(high)}"
    share = ratio(row.n_better, row.n_receipts)
    return [
        stay(html.B(share), behind, title=title),
        html.Small(f"{percents(low, high)} · {words}", className="hs-sub"),
    ]


def percent_of(value: float | None, n: int) -> Children:
    """A median share as percent; a dash when the method promises nothing."""
    if value is None:
        return html.Span(DASH, title="this method makes no promise to check")
    digits = 0 if value >= 0.1 else 1 if value >= 0.01 else 2
    return html.Span(percent(value, digits), title=f"median of {n:,}")


def failed(query: MethodsQuery, stats: Sequence[MethodStats], failures: Sequence[MethodFailure]) -> Component | None:
    """Methods without scores on some runs, and why."""
    counts: dict[str, tuple[int, int]] = {}
    for row in stats:
        before = counts.get(row.method, (0, 0))
        counts[row.method] = before[0] + row.n_failed, before[1] + row.n
    entries = []
    for method, (n_failed, n) in counts.items():
        reasons = [item for item in failures if item.method == method]
        if n_failed:
            entries.append(failure(method, n_failed, n, reasons))
    if not entries:
        return None
    return html.Div([html.H3("Failed"), html.Ul(entries, className="hs-reasons")], className="hs-methods-failed")


def failure(method: str, n_failed: int, n: int, reasons: Sequence[MethodFailure]) -> html.Li:
    """How often a method failed, and its most frequent reasons with a run each."""
    lines: list[Component] = [
        html.Span([html.B(label(method)), f" has no scores on {n_failed:,} of {plural(n, 'run')}"])
    ]
    for item in reasons[:REASONS]:
        link = dcc.Link(f"{item.count:,} ×", href=links.run(item.run_id, (method,)), title="Open one of them")
        lines.append(html.Span([link, " ", item.reason], className="hs-sub"))
    if len(reasons) > REASONS:
        lines.append(html.Span(f"and {plural(len(reasons) - REASONS, 'more reason')}", className="hs-sub"))
    return html.Li(lines)


def receipts(query: MethodsQuery, rows: Sequence[ReceiptRow], limit: int) -> Children:
    """The receipts of one method, the least gain first."""
    if not rows:
        return empty_box(f"No receipts of {label(query.method)}", html.P("None of the runs chosen has one."))
    shown = f"The {limit} with the least gain over random; the CSV has all." if len(rows) == limit else ""
    head = ("Verdict", "Prompt", "Over random>", "Random orders (95 %)>", "p>", "Compr.>", "Suff.>")
    return [
        table(head, [receipt_row(query, row) for row in rows], rows_open=True),
        note(shown, " Removed tokens were replaced by: ", ", ".join(sorted({row.masking for row in rows})), "."),
        sql_box(sql.receipts(query)),
    ]


def receipt_row(query: MethodsQuery, row: ReceiptRow) -> html.Tr:
    """A run, and what removing tokens did."""
    target = f"{visible(row.target)} rather than {visible(row.foil)}" if row.foil else visible(row.target)
    address = links.run(row.run_id, (row.method,))
    over = None if row.gain is None or row.random_gain is None else row.gain - row.random_gain
    nan = math.nan
    spread = [nan if end is None or row.random_gain is None else end - row.random_gain
              for end in (row.random_low, row.random_high)]  # fmt: skip
    text = dcc.Link(row.text, href=address, className="hs-strong hs-ellipsis", title=row.text)
    return html.Tr(
        [
            html.Td([verdict(row.verdict), html.Span(row.reason, className="hs-sub") if row.reason else None]),
            html.Td([text, html.Span(f"explains {target} · {row.model}", className="hs-sub")], className="hs-text"),
            html.Td(signed(over), className="num"),
            html.Td(interval(spread[0], spread[1]) or DASH, className="num"),
            html.Td(plain(row.p_value, 3), className="num"),
            html.Td(plain(row.comprehensiveness), className="num"),
            html.Td(plain(row.sufficiency), className="num"),
        ],
        **extra(data_href=address),
    )


def verdict(text: str) -> html.Span:
    """Icon and words; colour is never alone."""
    tone, name = {
        "better than random": ("good", "check-circle-fill"),
        "no better than random here": ("warn", "dash-circle-fill"),
    }.get(text, ("none", "question-circle"))
    return html.Span([icon(name), " ", text], className=f"hs-verdict hs-verdict-{tone}")
