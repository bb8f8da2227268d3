"""Bias: what changing only the group in a sentence does to the model, with effect, interval and the pairs behind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from dash import Dash, dcc, html
from dash.development.base_component import Component

from headscope.analysis.statistics.counterfactual import Contrast, Member, PairDifference, by_template, contrasts
from headscope.analysis.statistics.intervals import FEWEST
from headscope.dashboard.cards import Children, copyable, empty_box, extra, icon
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.parts import interval, note, plain, signed, stay, switch, warning
from headscope.dashboard.scope_query import ScopeQuery
from headscope.dashboard.scoped_page import Card, ScopedPage
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Measures

PATH = "/bias"
LEVEL = 0.05
LISTED = 100
MEASURES = (("margin", "target over foil"), ("loglik", "sentence likelihood"), ("toxicity", "continuation toxicity"))
UNITS = {"margin": "nats", "loglik": "nats", "toxicity": "probability"}
SAID = {
    "margin": "log P(target) − log P(foil) after the prompt: which of two words the group pulls the model towards.",
    "loglik": "log-likelihood of the whole sentence but its first token: which version the model finds likelier "
              "(CrowS-Pairs, Nangia et al. 2020, with a causal model's likelihood in place of pseudo-likelihood).",
    "toxicity": "the classifier's `toxic` score of what the model wrote after the prompt.",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasQuery(ScopeQuery):
    """measure: what is compared. attribute: one row per tag, or all tags together. only: `marked` rows. sort: the
    table's order. row: the contrast whose pairs are listed (its `key`)."""

    PATH: ClassVar[str] = PATH

    measure: str = choice("margin", "loglik", "toxicity")
    attribute: str = choice("tag", "all")
    only: str = choice("all", "marked")
    sort: str = choice("certainty", "effect", "pairs")
    row: str = ""


def members(store: RunReader, query: BiasQuery) -> list[Member]:
    """Every prompt of a pair among the runs, with the measure asked for."""
    runs = store.measures(query.where())
    values = _values(store, query, runs)
    return [
        Member(runs.run_id[i], runs.model[i], runs.prompt_set[i] or "", pair, group, attribute, runs.text[i], values[i])
        for i, (pair, group) in enumerate(zip(runs.pair_id, runs.group, strict=True))
        if pair is not None and group is not None
        for attribute in ((runs.tags[i] or ("",)) if query.attribute == "tag" else ("all",))
    ]


def _values(store: RunReader, query: BiasQuery, runs: Measures) -> list[float]:
    if query.measure == "margin":
        return [float(value) for value in runs.margin]
    if query.measure == "loglik":
        return [float(value) for value in -runs.mean_surprisal * (runs.n_tokens - 1)]
    rows = store.toxicity(query.where())
    scores = {row.run_id: row.score for row in rows if row.part == "continuation" and row.label == "toxic"}
    return [math.nan if (score := scores.get(run_id)) is None else score for run_id in runs.run_id]


def effects(services: Services, query: BiasQuery) -> Children:
    """The table: one row per contrast."""
    found = contrasts(members(services.store, query))
    actions = [switch("measure", query, MEASURES, "Measure"),
                        switch("attribute", query, (("tag", "by tag"), ("all", "pooled")), "Rows"),
                        switch("only", query, (("all", "all"), ("marked", "marked")), "Which"),
                        switch("sort", query, (("certainty", "surest"), ("effect", "largest"), ("pairs", "most pairs")),
                               "Order")]  # fmt: skip
    if not found:
        return no_pairs(query), actions
    shown = [row for row in found if query.only == "all" or marked(row)]
    orders = {"effect": lambda row: -abs(row.effect.mean), "pairs": lambda row: -row.effect.n}
    shown = sorted(shown, key=orders[query.sort]) if query.sort in orders else shown
    limit = max((_reach(row) for row in found), default=1.0) or 1.0
    n_marked = sum(marked(row) for row in found)
    head = (
        "Groups",
        "Of",
        "Model",
        f"Effect, {UNITS[query.measure]}",
        "Size d>",
        "Pairs>",
        "Wordings>",
        "p, adjusted>",
    )
    return [
        html.P([html.B(f"{n_marked} of {len(found)}"), f" contrasts are marked: their difference would rarely come by "
                f"chance (Benjamini-Hochberg over the table, {100 * LEVEL:.0f} %)."], className="hs-said"),
        html.Div(table(head, [effect_row(query, row, limit) for row in shown]), className="hs-methods-board"),
        note("The measure is ", SAID[query.measure], " Effect: mean difference within pairs with its 95 % bootstrap "
             "interval; d: mean over standard deviation of the differences; p by flipping signs of whole wordings. Two "
             "prompts that share a wording count as one observation."),
        *([warning(f"A wording is one observation: rows with fewer than {FEWEST} wordings have no interval and no p.")]
          if any(row.effect.groups < FEWEST for row in found) else []),
    ], actions  # fmt: skip


def marked(row: Contrast) -> bool:
    """Whether the row stands out from chance, the whole table considered."""
    return row.adjusted_p < LEVEL


def _reach(row: Contrast) -> float:
    ends = (row.effect.mean, row.effect.low, row.effect.high)
    return max((abs(end) for end in ends if not math.isnan(end)), default=0.0)


def effect_row(query: BiasQuery, row: Contrast, limit: float) -> html.Tr:
    """One contrast; what is marked has a sign and bold type, not only a colour."""
    effect, on = row.effect, marked(row)
    behind = query.link(row=row.key) + "#bias-pairs"
    sign = icon("flag-fill") if on else None
    return html.Tr(
        [
            html.Th(stay([sign, f" {row.a} − {row.b}"], behind, "hs-strong" if on else ""), scope="row"),
            html.Td([row.attribute or "–", html.Span(row.prompt_set, className="hs-sub")]),
            html.Td(row.model),
            html.Td(forest(effect.mean, effect.low, effect.high, limit, behind, on)),
            html.Td([plain(effect.size), html.Small(interval(effect.size_low, effect.size_high), className="hs-sub")],
                    className="num"),
            html.Td(stay(f"{effect.n:,}", behind), className="num"),
            html.Td(f"{effect.groups:,}", className="num"),
            html.Td(html.B(plain(row.adjusted_p, 4)) if on else plain(row.adjusted_p, 4), className="num",
                    title=f"unadjusted {plain(effect.p, 4)}"),
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


def pairs(services: Services, query: BiasQuery) -> Children:
    """The pairs behind one row, the largest difference first."""
    row = _chosen(services, query)
    if row is None:
        return None
    shown = row.pairs[:LISTED]
    body = [
        html.P([html.B(f"{row.a} − {row.b}"), f" on {row.model}, {row.attribute or row.prompt_set}: "
                f"{100 * row.effect.positive:.0f} % of {plural(row.effect.n, 'pair')} above 0."], className="hs-said"),
        table(("Pair", f"{row.a}>", f"{row.b}>", "Difference>", "Why"), [pair_row(pair) for pair in shown]),
        note("Why: both runs side by side with their attributions, heads and candidates, or the map of layers and "
             "positions at which exchanging one prompt's state for the other's carries the difference."),
        *([note(f"{LISTED} of {len(row.pairs)} pairs.")] if len(row.pairs) > LISTED else []),
    ]  # fmt: skip
    return body, stay("Close", query.link(row=""), "hs-button")


def pair_row(pair: PairDifference) -> html.Tr:
    """Both prompts, their values, and the ways to look inside."""
    prompts = [
        dcc.Link(text, href=f"/run?id={run_id}", className="hs-ellipsis hs-block", title=text)
        for text, run_id in ((pair.a_text, pair.a_run), (pair.b_text, pair.b_run))
    ]
    patching = "/patching?" + urlencode({"clean": pair.a_text, "corrupted": pair.b_text})
    why: list[Children] = [
        dcc.Link("compare", href=f"/compare?a={pair.a_run}&b={pair.b_run}"),
        " · ",
        dcc.Link("patch", href=patching),
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


def wording(services: Services, query: BiasQuery) -> Children:
    """How much the effect depends on the sentence around the group."""
    row = _chosen(services, query)
    if row is None:
        return None
    found = by_template(row.pairs)
    limit = max(abs(mean) for _, mean, _ in found) or 1.0
    nan = math.nan
    rows = [
        html.Tr([html.Td(template, className="hs-text"), html.Td(forest(mean, nan, nan, limit, query.link())),
                 html.Td(f"{n}", className="num")], **extra(data_wording=template))
        for template, mean, n in found
    ]  # fmt: skip
    against = sum(math.copysign(1, mean) != math.copysign(1, row.effect.mean) for _, mean, _ in found)
    return [
        html.P(f"{against} of {len(found)} wordings point the other way than the mean.", className="hs-said"),
        table(("Wording", f"Mean difference, {UNITS[query.measure]}", "Pairs>"), rows),
    ]


def _chosen(services: Services, query: BiasQuery) -> Contrast | None:
    if not query.row:
        return None
    found = contrasts(members(services.store, query))
    return next((row for row in found if row.key == query.row), None)


def no_pairs(query: BiasQuery) -> Component:
    """Nothing to compare."""
    if query.measure == "toxicity":
        return empty_box(
            "No continuations were scored",
            html.P("Per-group toxicity needs continuations and the classifier:"),
            copyable("headscope run --prompts group_association --max-new-tokens 20 --analyses toxicity "
                     "--experiment NAME"),
            icon_name="people",
        )  # fmt: skip
    return empty_box(
        "No counterfactual pairs here",
        html.P(
            "A pair is two or more prompts with the same pair_id and different groups, each with a target and foil:"
        ),
        copyable("headscope run --prompts group_association --experiment NAME"),
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

SCOPED: ScopedPage[BiasQuery] = ScopedPage(
    Page("bias", PATH, "Bias", "people", 28, shortcut="b"),
    BiasQuery,
    "What changing only the group in a sentence does to the model.",
    "Bias is measured on the counterfactual pairs",
    LIMITS,
    {
        "bias-effects": Card("Groups compared", "Differences within counterfactual pairs.", effects),
        "bias-pairs": Card("Pairs behind the row", "Each pair leads to its runs and to why they differ.", pairs),
        "bias-wording": Card("Sensitivity to wording", "The same contrast, sentence by sentence.", wording),
    },
)
PAGE, layout = SCOPED.page, SCOPED.layout


def register(app: Dash, services: Services) -> None:
    """Callbacks."""
    SCOPED.register(app, services)
