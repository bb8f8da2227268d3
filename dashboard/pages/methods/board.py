"""The leaderboard: what removing tokens in a method's order does beside random orders and "last first", and what the
method costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.intervals import FEWEST, wilson
from headscope.dashboard import links
from headscope.dashboard.cards import PICTURES, Children, Download, copyable, download_menu, empty_box, icon
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.methods import gains, unsure
from headscope.dashboard.pages.methods.failed import failed
from headscope.dashboard.pages.methods.gains import Gain, Gains, Scale
from headscope.dashboard.pages.methods.query import MethodsQuery, label, over_heads, runs_of, summary
from headscope.dashboard.pages.methods.verdicts import behind_of, verdict_table
from headscope.dashboard.parts import note, sql_box, stay, warning
from headscope.dashboard.tables import table
from headscope.dashboard.units import memory, percent, percents, ratio, seconds
from headscope.dashboard.words import DASH, plural
from headscope.storage.rows import MethodFailure, MethodStats

Said = Callable[[float | None], str]
HEAD = (
    "Method", "Runs>", "Gain over random, nats", "Over recency>", "Compr.>", "Suff.>",
    "Top-1 as Shapley>", "Error>", "Sensitivity>", "Time>", "Peak memory>",
)  # fmt: skip


def board(
    query: MethodsQuery,
    stats: Sequence[MethodStats],
    found: Gains,
    failures: Sequence[MethodFailure],
    statement: str,
) -> Children:
    """The card's content; `found` has the intervals of the gains, `statement` is the SQL that counts the same."""
    if not stats:
        return nothing(query)
    by_set = query.by == "set"
    measured = sorted((row for row in stats if row.n_receipts), key=lambda row: over_heads(row.method))
    scale = gains.scale([gains.of(found, row)["over_random"] for row in measured])
    head = (HEAD[0], "Prompt set", *HEAD[1:]) if by_set else HEAD
    body = [board_row(query, row, gains.of(found, row), scale, by_set=by_set)
            for row in (*measured, *(row for row in stats if not row.n_receipts))]  # fmt: skip
    return [
        *([] if any(row.n_tested for row in stats) else [unmeasured(query)]),
        *unsure.said(query, unsure.of_stats(stats)),
        *cautions(measured),
        html.Div(table(head, body), className="hs-methods-board"),
        verdict_table(query, stats, by_set=by_set),
        failed(stats, failures),
        note(
            "Gain: how far the explained quantity falls when the highest-ranked tokens are removed (comprehensiveness) "
            "minus how far when only they are kept (sufficiency), each a mean over shares of tokens; over random: "
            "minus the same for random orders of the same prompt; over recency: minus that of “last words first”. "
            "Means in nats with 95 % intervals over prompts (bootstrap, further out where values are skewed), pairs "
            "kept together; shares: Wilson intervals. "
            "With few tokens p is strict, and most verdicts are “no better”: only the best twentieth of all orders "
            "reach the level, of four tokens one order in 24 (on the set evidence 7 to 27 % of a method’s attributions "
            "reach the best verdict, embedded model). "
            "Top-1 as Shapley: the highest-ranked token is that of the exact Shapley values, where they could be "
            "computed. Error (convergence or conservation, as a share of the explained change), sensitivity to "
            "embedding noise, time and peak memory (the most over what the process held before) are medians, the last "
            "two over prompts with scores and with their 10th and 90th percentile."
        ),
        sql_box(statement),
    ]  # fmt: skip


def csv_menu(*entries: tuple[str, str, MethodsQuery], pictured: str = "") -> Component | None:
    """A card's download menu: label, table's name, state. pictured: the card that is offered as a picture, too."""
    files = [Download(label, href=links.methods_file(name, query)) for label, name, query in entries]
    return download_menu([*files, *(PICTURES if pictured else ())], pictured)


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


def cautions(measured: Sequence[MethodStats]) -> list[Component]:
    """Why these numbers may say less than they seem to."""
    found: list[Component] = []
    models = {name for row in measured for name in row.models}
    if len(models) > 1:
        found.append(warning(f"{len(models)} models are pooled: a method may be good on one and not on the other. "
                             "Choose one above."))  # fmt: skip
    few = [label(row.method) for row in measured if row.n_receipts < FEWEST]
    if few:
        found.append(warning(f"Fewer than {FEWEST} prompts with a receipt: no intervals for {', '.join(few)}. The "
                             "order of the table means little."))  # fmt: skip
    return found


def board_row(
    query: MethodsQuery, row: MethodStats, found: Mapping[str, Gain], scale: Scale, *, by_set: bool
) -> html.Tr:
    """One method, or one method on one prompt set."""
    behind = behind_of(query, row, by_set=by_set)
    name = stay(label(row.method), behind, "hs-strong", summary(row.method))
    sub = html.Span(caveat, className="hs-sub") if (caveat := caveat_of(query, row)) else None
    count = dcc.Link(f"{row.n_receipts or row.n:,}", href=runs_of(query, row.prompt_set if by_set else None),
                     title=f"{plural(row.n_receipts, 'receipt')}, {plural(row.n, 'attribution')}")  # fmt: skip
    return html.Tr(
        [
            html.Th([name, sub], scope="row"),
            *([html.Td(row.prompt_set or DASH, className="hs-nowrap")] if by_set else []),
            html.Td(count, className="num"),
            html.Td(gain_cell(found["over_random"], scale, behind)),
            html.Td(mean_cell(found["over_recency"]), className="num"),
            html.Td(plain(row.comprehensiveness), className="num"),
            html.Td(plain(row.sufficiency), className="num"),
            html.Td(top1_cell(row), className="num"),
            html.Td(percent_of(row.error, row.n_error), className="num"),
            html.Td(plain(row.sensitivity), className="num", title=f"median of {row.n_sensitivity:,}"),
            html.Td(spread(seconds, row.seconds, row.seconds_low, row.seconds_high), className="num"),
            html.Td(spread(memory, row.peak_bytes, row.peak_low, row.peak_high), className="num"),
        ],
        className="" if row.n_receipts else "hs-methods-bare",
    )


def caveat_of(query: MethodsQuery, row: MethodStats) -> str:
    """What stands under a method's name: why it has no place in the order, what else than tokens was removed, or how
    many did not converge."""
    if not row.n_tested:
        return without_receipts(row)
    if over_heads(row.method):
        return "heads were removed, not tokens: compare with other methods of heads"
    if not row.n_not_converged:
        return ""
    left_out = "" if query.unconverged else "left out: "
    return f"{row.n_not_converged:,} of {row.n - row.n_failed:,} {left_out}not converged"


def without_receipts(row: MethodStats) -> str:
    """Why a method has no place in the order."""
    if row.n_failed == row.n:
        return "failed everywhere: the reason is below"
    if not row.n_ranked:
        return "no score per token, so no tokens to remove"
    return "no receipt was measured"


def gain_cell(gain: Gain, scale: Scale, behind: str) -> Children:
    """The number, its interval in words and as a bar about zero."""
    mean, low, high = gain.mean, gain.low, gain.high
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


def mean_cell(gain: Gain) -> Children:
    """The number over its interval."""
    return [html.Span(signed(gain.mean)), html.Span(interval(gain.low, gain.high), className="hs-sub")]


def top1_cell(row: MethodStats) -> Children:
    """On which share of the prompts with exact Shapley values their highest-ranked token is this method's too."""
    if not row.n_shapley:
        return html.Span(DASH, title="no exact Shapley values to compare with")
    low, high = wilson(row.n_top1, row.n_shapley)
    said = f"{row.n_top1:,} of {plural(row.n_shapley, 'prompt')}; mean rank correlation (τ) {plain(row.shapley_tau)}"
    words = f"{percents(low, high)} · {row.n_top1:,}"
    return [html.Span(ratio(row.n_top1, row.n_shapley), title=said), html.Span(words, className="hs-sub")]


def spread(
    said: Callable[[float | None], str], middle: float | None, low: float | None, high: float | None
) -> Children:
    """A median over its 10th and 90th percentile, a unit that is the same said once."""
    first, last = said(low), said(high)
    if first.split()[-1] == last.split()[-1]:
        first = first.rpartition(" ")[0]
    return [html.Span(said(middle), title="median"),
            html.Span("" if low is None else f"{first} – {last}", className="hs-sub")]  # fmt: skip


def percent_of(value: float | None, n: int) -> Children:
    """A median share as percent; a dash when the method promises nothing."""
    if value is None:
        return html.Span(DASH, title="this method makes no promise to check")
    digits = 0 if value >= 0.1 else 1 if value >= 0.01 else 2
    return html.Span(percent(value, digits), title=f"median of {n:,}")
