"""The cards of the Bias page: contrasts, the pairs behind one, and how far it depends on the wording."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.statistics.counterfactual import OTHERS, PairDifference, by_template
from headscope.analysis.statistics.intervals import FEWEST
from headscope.dashboard import links
from headscope.dashboard.cards import Children, Download, download_menu, empty_box
from headscope.dashboard.covered import covered
from headscope.dashboard.pages.bias.facets import NOTHING, beside_menu, filters
from headscope.dashboard.pages.bias.lines import LEVEL, Line, all_lines, chosen, listed
from headscope.dashboard.pages.bias.query import BiasQuery, offences, offensive_wordings, runs_of
from headscope.dashboard.pages.bias.view import (
    board,
    effect_row,
    forest,
    heads_of,
    labelled,
    no_pairs,
    pair_row,
    reach,
    scale_row,
    split,
)
from headscope.dashboard.parts import note, sampled_note, stay, switch, warning
from headscope.dashboard.services import Services
from headscope.dashboard.units import PAIR_UNITS, percent
from headscope.storage.interfaces import RunReader

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


METHOD = (
    "Effect: mean difference within pairs with its 95 % bootstrap interval; d: mean over standard deviation of the "
    "differences; p by flipping signs. What shares a wording is one observation, and so is what shares the words that "
    "differ, if those are eight or more: both are drawn and flipped as wholes (Cameron, Gelbach and Miller 2011); with "
    "fewer a row is about these words. p is adjusted over the whole table, filtered or not (Benjamini-Hochberg)."
)
APART = (
    "Beside other runs, over the pairs that both have: the difference here minus the difference there, pair by pair."
)
MEAN_OF_OTHERS = ("The second value is the mean over the prompts of all other groups; of them the one nearest to it is "
                  "shown, and its run, and the map, have its own value.")  # fmt: skip
FILE, PAIRS_FILE = "bias.csv", "pairs.csv"


def effects(services: Services, query: BiasQuery) -> Children:
    """The table: one row per contrast."""
    found = all_lines(services.store, query)
    actions = _actions(services.store, query)
    if not found:
        return no_pairs(query), actions
    shown = listed(query, found)
    limit = max((reach(line.effect) for line in shown), default=1.0) or 1.0
    rows = [effect_row(query, line, limit) for line in shown]
    heads = heads_of(query)
    scale = scale_row(heads, 3 if query.beside_model else 1, PAIR_UNITS[query.measure], limit)
    runs = runs_of(services.store, query)
    return [
        *sampled_note(len(runs), runs.total, "runs, pairs whole"),
        filters(query, found),
        _counted(query, found, len(shown)),
        board(heads, [scale, *rows]) if shown else _none_shown(query),
        note("The measure is ", SAID[query.measure], " ", METHOD, f" {APART}" if query.beside_model else ""),
        *([warning("A likelier sentence mostly has the more frequent group word: compare groups by this measure only "
                   "in bias_sentences, where that cancels.")] if query.measure == "loglik" else []),
        *([warning(f"A wording is one observation: rows with fewer than {FEWEST} wordings have no interval and no p.")]
          if any(line.effect.groups < FEWEST for line in found) else []),
    ], actions  # fmt: skip


def _actions(store: RunReader, query: BiasQuery) -> list[Children]:
    return [
        beside_menu(store, query),
        switch("measure", query, MEASURES, "Measure"),
        switch("attribute", query, (("tag", "by tag"), ("all", "pooled")), "Rows"),
        switch("only", query, (("all", "all"), ("marked", "marked")), "Which"),
        switch("sort", query, (("certainty", "surest"), ("effect", "largest"), ("pairs", "most pairs")), "Order"),
        download_menu([Download("CSV", href=links.bias_file(FILE, query))], "bias-effects"),
    ]


def _counted(query: BiasQuery, found: Sequence[Line], n_shown: int) -> html.P:
    what = "are marked: their difference would rarely come by chance"
    if query.beside_model:
        what = f"are marked: here and {query.other_name} would rarely be so far apart by chance"
    shown = f" Shown: {n_shown} of {len(found)}." if n_shown < len(found) else ""
    return html.P([html.B(f"{sum(line.marked for line in found)} of {len(found)}"), f" contrasts {what} "
                   f"(Benjamini-Hochberg over all {len(found)}, {percent(LEVEL)}).{shown}"],
                  className="hs-said")  # fmt: skip


def _none_shown(query: BiasQuery) -> Component:
    return empty_box("No row fits", html.P("There are contrasts, but none with all that is chosen above."),
                     stay("Show all rows", query.link(**NOTHING), "hs-button"), icon_name="funnel")  # fmt: skip


def pairs(services: Services, query: BiasQuery) -> Children:
    """The pairs behind one row, the largest difference first."""
    line = chosen(services.store, query)
    if line is None:
        return None
    row = line.contrast
    everything: Sequence[PairDifference] = row.pairs
    other = {pair.pair_id: pair.difference for pair in line.second.pairs} if line.second else {}
    if other:
        everything = tuple(sorted(everything, key=lambda pair: -abs(pair.difference - other[pair.pair_id])))
    shown = everything[:LISTED]
    why = offences(services.store, shown)
    asked = {run.id: run for run in services.store.runs([pair.a_run for pair in shown])}
    second = f"{row.b}, mean>" if row.b == OTHERS else f"{row.b}>"
    head = ("Pair", f"{row.a}>", second, "Difference>", *([f"In {query.other_name}>"] if other else []), "Why")
    body = [
        html.P([html.B(f"{row.a} − {row.b}"), f" on {row.model}, {row.attribute or row.prompt_set}: ",
                split(row.effect)], className="hs-said"),
        board(head, [pair_row(query, head, pair, asked.get(pair.a_run), why, other.get(pair.pair_id))
                     for pair in shown]),
        note("Why: both runs side by side with their attributions, heads and candidates; the heads whose ablation "
             "changes the one prompt's value and not the other's; or the map of layers and positions at which "
             "exchanging one prompt's state for the other's carries the difference."),
        *([note(MEAN_OF_OTHERS)] if row.b == OTHERS else []),
        *([note(f"{LISTED} of {len(everything)} pairs.")] if len(everything) > LISTED else []),
    ]  # fmt: skip
    downloads = download_menu([Download("CSV", href=links.bias_file(PAIRS_FILE, query))], "bias-pairs")
    return body, [stay("Close", query.link(row="", pair=""), "hs-button"), downloads]


def wording(services: Services, query: BiasQuery) -> Children:
    """How much the effect depends on the sentence around the group."""
    line = chosen(services.store, query)
    if line is None:
        return None
    row = line.contrast
    found = by_template(row.pairs)
    limit = max(abs(mean) for _, mean, _ in found) or 1.0
    nan = math.nan
    why = offensive_wordings(services.store, row.pairs)
    heads = ("Wording", f"Mean difference, {PAIR_UNITS[query.measure]}", "Pairs>")
    rows = [
        html.Tr(labelled(heads, [html.Td(covered(template, template, why.get(template)), className="hs-text"),
                                 html.Td(forest(mean, nan, nan, limit, query.link(), without="")),
                                 html.Td(f"{n}", className="num")]))
        for template, mean, n in found
    ]  # fmt: skip
    against = sum(math.copysign(1, mean) != math.copysign(1, row.effect.mean) for _, mean, _ in found)
    return [
        html.P(f"{against} of {len(found)} wordings point the other way than the mean.", className="hs-said"),
        board(heads, [scale_row(heads, 1, PAIR_UNITS[query.measure], limit), *rows]),
    ]
