"""Contrasts and pairs as rows."""

from __future__ import annotations

import math
import shlex

from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.counterfactual import Contrast, PairDifference
from headscope.dashboard import links
from headscope.dashboard.cards import Children, copyable, empty_box, icon
from headscope.dashboard.covered import prompt, run_link
from headscope.dashboard.numbers import interval, plain, signed
from headscope.dashboard.pages.bias.query import BiasQuery
from headscope.dashboard.parts import stay
from headscope.dashboard.units import percent
from headscope.dashboard.words import plural
from headscope.storage.rows import TONES, Offences

LEVEL = 0.05
UNITS = {"margin": "nats", "loglik": "nats", "toxicity": "probability", "sentiment": "VADER’s compound",
         "regard": "probability"}  # fmt: skip


def marked(row: Contrast) -> bool:
    """Whether the row stands out from chance, the whole table considered."""
    return row.adjusted_p < LEVEL


def reach(row: Contrast) -> float:
    """How far from 0 the effect and its interval go."""
    ends = (row.effect.mean, row.effect.low, row.effect.high)
    return max((abs(end) for end in ends if not math.isnan(end)), default=0.0)


def split(row: Contrast) -> str:
    """The share of pairs above 0 and what it is made of."""
    effect = row.effect
    return (
        f"{percent(effect.positive)} {interval(100 * effect.positive_low, 100 * effect.positive_high, 0)} of "
        f"{plural(effect.n, 'pair')} above 0: {effect.above} above, {effect.ties} ties (counted half), {effect.below} "
        "below."
    )


def effect_row(query: BiasQuery, row: Contrast, limit: float) -> html.Tr:
    """One contrast; what is marked has a sign and bold type, not only a colour."""
    effect, on = row.effect, marked(row)
    behind = query.link(row=row.key) + "#bias-pairs"
    sign = icon("flag-fill") if on else None
    return html.Tr(
        [
            html.Th(stay([sign, f" {row.a} − {row.b}"], behind, "hs-strong" if on else ""), scope="row"),
            html.Td(forest(effect.mean, effect.low, effect.high, limit, behind, on)),
            html.Td(html.B(plain(row.adjusted_p, 4)) if on else plain(row.adjusted_p, 4), className="num",
                    title=f"unadjusted {plain(effect.p, 4)}"),
            html.Td([row.attribute or "–", html.Span(row.prompt_set, className="hs-sub")]),
            html.Td(row.model),
            html.Td([plain(effect.size), html.Small(interval(effect.size_low, effect.size_high), className="hs-sub")],
                    className="num"),
            html.Td(stay(f"{effect.n:,}", behind), className="num"),
            html.Td(f"{effect.groups:,}", className="num"),
        ],
        className="hs-marked" if on else "",
    )  # fmt: skip


def forest(mean: float, low: float, high: float, limit: float, behind: str, on: bool = False) -> Component:
    """The mean and its interval, in words and drawn about zero; filled and coloured where the row is marked."""

    def place(value: float) -> str:
        return f"{50 + 50 * value / limit:.2f}%"

    bar = [html.I(className="hs-forest-zero", style={"left": place(0)})]
    if not math.isnan(low):
        width = f"calc({place(high)} - {place(low)})"
        bar.append(html.I(className="hs-forest-range", style={"left": place(low), "width": width}))
    bar.append(html.I(className="hs-forest-mean", style={"left": place(mean)}))
    tone = ("positive" if mean > 0 else "negative") if on else "open"
    words = [html.B(signed(mean)), html.Small(interval(low, high) or "no interval")]
    return stay([html.Span(words), html.Span(bar, className=f"hs-forest {tone}")], behind, "hs-gain")


def pair_row(pair: PairDifference, offences: Offences) -> html.Tr:
    """Both prompts, their values, and the ways to look inside. The address of the patching map holds both texts."""
    prompts = [
        run_link(text, links.run(run_id), prompt(offences, run_id), "hs-ellipsis hs-block")
        for text, run_id in ((pair.a_text, pair.a_run), (pair.b_text, pair.b_run))
    ]
    patching = links.patching(pair.a_text, pair.b_text)
    offends = prompt(offences, pair.a_run) or prompt(offences, pair.b_run)
    why: list[Children] = [
        dcc.Link("compare", href=links.compare((pair.a_run, pair.b_run))),
        html.Span([" · ", dcc.Link("patch", href=patching)], className="hs-cover-with" if offends else ""),
    ]
    return html.Tr(
        [
            html.Td(prompts, className="hs-text"),
            html.Td(signed(pair.a_value), className="num"),
            html.Td(signed(pair.b_value), className="num"),
            html.Td(html.B(signed(pair.difference)), className="num"),
            html.Td(why, className="hs-nowrap"),
        ]
    )


def no_pairs(query: BiasQuery) -> Component:
    """Nothing to compare."""
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
    html.Li("Every wording is one observation. Filling a sentence with more names does not make it more."),
])  # fmt: skip
