"""Contrasts and pairs as rows."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.counterfactual import PairDifference
from headscope.analysis.statistics.effects import Effect
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, icon
from headscope.dashboard.covered import prompt, run_link
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.bias.lines import Line
from headscope.dashboard.pages.bias.query import BiasQuery
from headscope.dashboard.parts import stay
from headscope.dashboard.tables import table
from headscope.dashboard.units import PAIR_UNITS, percent
from headscope.dashboard.words import plural
from headscope.storage.rows import TONES, Offences, RunRow


def reach(effect: Effect) -> float:
    """How far from 0 the effect and its interval go."""
    ends = (effect.mean, effect.low, effect.high)
    return max((abs(end) for end in ends if not math.isnan(end)), default=0.0)


def split(effect: Effect) -> str:
    """The share of pairs above 0 and what it is made of."""
    return (
        f"{percent(effect.positive)} {interval(100 * effect.positive_low, 100 * effect.positive_high, 0)} of "
        f"{plural(effect.n, 'pair')} above 0: {effect.above} above, {effect.ties} ties (counted half), {effect.below} "
        "below."
    )


def heads_of(query: BiasQuery) -> list[str]:
    """The columns of the table; beside other runs the effect is how far both are apart."""
    unit, of = PAIR_UNITS[query.measure], ["p, adjusted>", "Of", "Model"]
    if query.beside_model:
        name = query.other_name
        return ["Groups", "Here>", f"{name}>", f"Here − {name}, {unit}", *of, "Pairs>", "Wordings>"]
    return ["Groups", f"Effect, {unit}", *of, "Size d>", "Pairs>", "Wordings>"]


def effect_row(query: BiasQuery, line: Line, limit: float) -> html.Tr:
    """One contrast; what is marked has a sign and bold type, not only a colour."""
    row, effect, on = line.contrast, line.effect, line.marked
    behind = query.link(row=row.key, pair="") + "#bias-pairs"
    sign = [icon("flag-fill"), html.Span("marked", className="visually-hidden")] if on else []
    p = plain(line.adjusted_p, 4)
    cells = [
        html.Th(stay([*sign, f" {row.a} − {row.b}"], behind, "hs-strong" if on else ""), scope="row"),
        *([_number(one.effect.mean, one.effect.low, one.effect.high) for one in (row, line.second)]
          if line.second else []),
        html.Td(forest(effect.mean, effect.low, effect.high, limit, behind, on)),
        html.Td(html.B(p) if on else p, className="num", title=f"unadjusted {plain(effect.p, 4)}"),
        html.Td([row.attribute or "–", html.Span(row.prompt_set, className="hs-sub")]),
        html.Td(row.model),
        *([] if line.second else [_number(effect.size, effect.size_low, effect.size_high)]),
        html.Td(stay(f"{effect.n:,}", behind), className="num"),
        html.Td(f"{effect.groups:,}", className="num"),
    ]  # fmt: skip
    return html.Tr(labelled(heads_of(query), cells), className="hs-bias-row hs-marked" if on else "hs-bias-row")


def _number(value: float, low: float, high: float) -> html.Td:
    return html.Td([signed(value), html.Small(interval(low, high), className="hs-sub")], className="num")


def board(heads: Sequence[str], rows: Sequence[html.Tr]) -> Component:
    """A table that is a list of cards in a narrow window."""
    return html.Div(table(heads, rows), className="hs-methods-board hs-bias-board")


def labelled(heads: Sequence[str], cells: Sequence[Component]) -> list[Component]:
    """Cells of a board: they know their column, which a narrow window writes before them."""
    for head, cell in zip(heads, cells, strict=True):
        setattr(cell, "data-label", head.removesuffix(">"))
    return list(cells)


def scale_row(heads: Sequence[str], at: int, unit: str, limit: float) -> html.Tr:
    """The ends of the bars in the column `at`, which are the same for every row."""
    ends = [html.Span(text) for text in (signed(-limit), "0", signed(limit))]
    axis = html.Span([html.Span(), html.Span(ends, className="hs-bias-axis")], className="hs-gain")
    after = html.Td(f"{unit}, one scale for all bars", colSpan=len(heads) - at - 1)
    return html.Tr([html.Th("Scale", scope="row"), *(html.Td() for _ in range(at - 1)), html.Td(axis), after],
                   className="hs-bias-scale")  # fmt: skip


def forest(
    mean: float, low: float, high: float, limit: float, behind: str, on: bool = False, without: str = "no interval"
) -> Component:
    """The mean and its interval, in words and drawn about zero; filled and coloured where the row is marked. without:
    what is said where there is no interval."""

    def place(value: float) -> str:
        return f"{50 + 50 * value / limit:.2f}%"

    bar = [html.I(className="hs-forest-zero", style={"left": place(0)})]
    if not math.isnan(low):
        width = f"calc({place(high)} - {place(low)})"
        bar.append(html.I(className="hs-forest-range", style={"left": place(low), "width": width}))
    bar.append(html.I(className="hs-forest-mean", style={"left": place(mean)}))
    tone = ("positive" if mean > 0 else "negative") if on else "open"
    words = [html.B(signed(mean)), html.Small(interval(low, high) or without)]
    return stay([html.Span(words), html.Span(bar, className=f"hs-forest {tone}")], behind, "hs-gain")


def pair_row(
    query: BiasQuery,
    heads: Sequence[str],
    pair: PairDifference,
    asked: RunRow | None,
    offences: Offences,
    beside: float | None = None,
) -> html.Tr:
    """Both prompts, their values, and the ways to look inside. asked: the pair's first run, whose target and foil the
    patching map explains, None where it was deleted meanwhile; the map's address holds both texts. beside: the pair's
    difference in the runs that these are held against."""
    prompts = [
        run_link(text, links.run(run_id), prompt(offences, run_id), "hs-ellipsis hs-block")
        for text, run_id in ((pair.a_text, pair.a_run), (pair.b_text, pair.b_run))
    ]
    given = {"target": asked.target or "", "foil": asked.foil or "", "model": asked.model} if asked else {}
    patching = links.patching(pair.a_text, pair.b_text, **given)
    offends = prompt(offences, pair.a_run) or prompt(offences, pair.b_run)
    why: list[Children] = [
        dcc.Link("compare", href=links.compare((pair.a_run, pair.b_run))), " · ",
        stay("heads", query.link(pair=pair.pair_id) + "#bias-heads", title="Which heads carry the difference"),
        html.Span([" · ", dcc.Link("patch", href=patching)], className="hs-cover-with" if offends else ""),
    ]  # fmt: skip
    cells = [
        html.Td(prompts, className="hs-text"),
        html.Td(signed(pair.a_value), className="num"),
        html.Td(signed(pair.b_value), className="num"),
        html.Td(html.B(signed(pair.difference)), className="num"),
        *([] if beside is None else [html.Td(signed(beside), className="num")]),
        html.Td(why, className="hs-nowrap"),
    ]
    return html.Tr(labelled(heads, cells), className="hs-selected" if pair.pair_id == query.pair else "")


def no_pairs(query: BiasQuery) -> Component:
    """Nothing to compare."""
    if query.beside_model:
        return empty_box(
            f"No pair is in both, here and {query.other_name}",
            html.P("Held against each other are pairs of one prompt set with the same texts, measured in both: run the "
                   "same set on the other model."),
            stay("Show these runs by themselves", query.link(beside_model="", beside_experiment=""), "hs-button"),
            icon_name="people",
        )  # fmt: skip
    if query.measure in ("toxicity", *TONES):
        scorer = "minilm" if query.measure == "toxicity" else query.measure
        return empty_box(
            "No continuations were scored",
            html.P(f"Per-group {query.measure} needs continuations and who scores them:"),
            copyable(f"headscope run --prompts bias_continuations --max-new-tokens 20 --analyses {query.measure} "
                     "--experiment NAME"),
            html.P("Where continuations are stored already:"),
            copyable(f"headscope score --experiment {shlex.quote(query.experiment)} --scorer {scorer}"),
            icon_name="people",
        )  # fmt: skip
    return empty_box(
        "No counterfactual pairs here",
        html.P(
            "A pair is two or more prompts with the same pair_id and different groups, each with a target and foil:"
        ),
        copyable("headscope run --prompts bias_religion --analyses layers --experiment NAME"),
        icon_name="people",
    )


LIMITS = html.Ul([
    html.Li("An association in a model is measured, not a harm to a person; what it means depends on the model's use."),
    html.Li("Pairs about grammar or negation are listed too: contrasts of the same kind, and no bias."),
    html.Li("No difference in these sentences is not the absence of bias: other sentences, words and groups may show "
            "one."),
    html.Li("Group words differ in frequency and length as well as in meaning, and that alone can move likelihoods: "
            "look at the null set (group_null) on the same model, where nothing should be marked."),
    html.Li("Two models beside each other are compared on the pairs both have; that one moves more does not say why: "
            "they may differ in size, training text and tokens at once."),
    html.Li("Every wording is one observation. Filling a sentence with more names does not make it more."),
])  # fmt: skip
