"""The cards of the Bias page: contrasts, the pairs behind one, and how far it depends on the wording."""

from __future__ import annotations

import math

from dash import html

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.statistics.counterfactual import by_template
from headscope.analysis.statistics.intervals import FEWEST
from headscope.dashboard.cards import Children
from headscope.dashboard.covered import covered
from headscope.dashboard.pages.bias.query import BiasQuery, chosen, compared, offences, offensive_wordings, runs_of
from headscope.dashboard.pages.bias.view import (
    LEVEL,
    UNITS,
    effect_row,
    forest,
    marked,
    no_pairs,
    pair_row,
    reach,
    split,
)
from headscope.dashboard.parts import note, sampled_note, stay, switch, warning
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.units import percent

LISTED = 100
MEASURES = (("margin", "target over foil"), ("loglik", "sentence likelihood"), ("toxicity", "continuation toxicity"),
            ("sentiment", "its sentiment"), ("regard", "its regard"))  # fmt: skip
SAID = {
    "margin": "log P(target) − log P(foil) after the prompt: which of two words the group pulls the model towards.",
    "loglik": "log-likelihood of the whole sentence but its first token: which version the model finds likelier "
              "(CrowS-Pairs, Nangia et al. 2020, with a causal model's likelihood in place of pseudo-likelihood).",
    "toxicity": "the classifier's score for toxic of what the model wrote after the prompt.",
    "sentiment": f"how pleasant what the model wrote after the prompt sounds, from −1 to 1. {LIMITS['sentiment']}",
    "regard": f"how what the model wrote after the prompt speaks of people, from −1 to 1. {LIMITS['regard']}",
}  # fmt: skip


def effects(services: Services, query: BiasQuery) -> Children:
    """The table: one row per contrast."""
    found = compared(services.store, query)
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
    limit = max((reach(row) for row in found), default=1.0) or 1.0
    n_marked = sum(marked(row) for row in found)
    runs = runs_of(services.store, query)
    head = (
        "Groups",
        f"Effect, {UNITS[query.measure]}",
        "p, adjusted>",
        "Of",
        "Model",
        "Size d>",
        "Pairs>",
        "Wordings>",
    )
    return [
        *sampled_note(len(runs), runs.total, "runs, pairs whole"),
        html.P([html.B(f"{n_marked} of {len(found)}"), f" contrasts are marked: their difference would rarely come by "
                f"chance (Benjamini-Hochberg over the table, {percent(LEVEL)})."], className="hs-said"),
        html.Div(table(head, [effect_row(query, row, limit) for row in shown]), className="hs-methods-board"),
        note("The measure is ", SAID[query.measure], " Effect: mean difference within pairs with its 95 % bootstrap "
             "interval; d: mean over standard deviation of the differences; p by flipping signs. What shares a wording "
             "is one observation, and so is what shares the words that differ, if those are eight or more: both are "
             "drawn and flipped as wholes (Cameron, Gelbach and Miller 2011); with fewer a row is about these words."),
        *([warning("A likelier sentence mostly has the more frequent group word: compare groups by this measure only "
                   "in bias_sentences, where that cancels.")] if query.measure == "loglik" else []),
        *([warning(f"A wording is one observation: rows with fewer than {FEWEST} wordings have no interval and no p.")]
          if any(row.effect.groups < FEWEST for row in found) else []),
    ], actions  # fmt: skip


def pairs(services: Services, query: BiasQuery) -> Children:
    """The pairs behind one row, the largest difference first."""
    row = chosen(services, query)
    if row is None:
        return None
    shown = row.pairs[:LISTED]
    why = offences(services.store, shown)
    body = [
        html.P([html.B(f"{row.a} − {row.b}"), f" on {row.model}, {row.attribute or row.prompt_set}: ",
                split(row)], className="hs-said"),
        table(("Pair", f"{row.a}>", f"{row.b}>", "Difference>", "Why"), [pair_row(pair, why) for pair in shown]),
        note("Why: both runs side by side with their attributions, heads and candidates, or the map of layers and "
             "positions at which exchanging one prompt's state for the other's carries the difference."),
        *([note(f"{LISTED} of {len(row.pairs)} pairs.")] if len(row.pairs) > LISTED else []),
    ]  # fmt: skip
    return body, stay("Close", query.link(row=""), "hs-button")


def wording(services: Services, query: BiasQuery) -> Children:
    """How much the effect depends on the sentence around the group."""
    row = chosen(services, query)
    if row is None:
        return None
    found = by_template(row.pairs)
    limit = max(abs(mean) for _, mean, _ in found) or 1.0
    nan = math.nan
    why = offensive_wordings(services.store, row.pairs)
    rows = [
        html.Tr([html.Td(covered(template, template, why.get(template)), className="hs-text"),
                 html.Td(forest(mean, nan, nan, limit, query.link())), html.Td(f"{n}", className="num")])
        for template, mean, n in found
    ]  # fmt: skip
    against = sum(math.copysign(1, mean) != math.copysign(1, row.effect.mean) for _, mean, _ in found)
    return [
        html.P(f"{against} of {len(found)} wordings point the other way than the mean.", className="hs-said"),
        table(("Wording", f"Mean difference, {UNITS[query.measure]}", "Pairs>"), rows),
    ]
