"""The cards of the Toxicity page about texts: rates, how scores are spread, from prompt to continuation, the list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from dash import dcc, html

from headscope.analysis.classifiers.rates import HOLDS, METHOD
from headscope.dashboard import links
from headscope.dashboard.cards import Children, Download, download_menu, empty_box
from headscope.dashboard.figures.toxicity import Spread, score_spread
from headscope.dashboard.pages.toxicity.query import (
    LISTED,
    TOXIC,
    ToxicityQuery,
    judge_of,
    read_rates,
    text_choice,
)
from headscope.dashboard.pages.toxicity.view import (
    Asked,
    bucket_row,
    chooser,
    group_name,
    nothing,
    pages,
    rate_row,
    text_row,
    thresholds,
)
from headscope.dashboard.parts import graph, note, sampled_note, switch
from headscope.dashboard.services import Services
from headscope.dashboard.tables import table
from headscope.dashboard.words import plural

BUCKETS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01))
PARTS = (("both", "both"), ("prompt", "prompts"), ("continuation", "continuations"))
WHICH = (("harmless", "of harmless prompts"), ("over", "over the threshold"), ("any", "all"))
BY = (("all", "all"), ("prompt_set", "prompt set"), ("model", "model"), ("temperature", "temperature"))
FILE = "rates.csv"


def scores(services: Services, query: ToxicityQuery) -> Children:
    """Every label of prompts and continuations: how many are over the threshold, raw and corrected, and the mean."""
    found = read_rates(services.store, query)
    if not found:
        return nothing(query)
    apart = () if query.by == "all" else (dict(BY)[query.by].capitalize(),)
    head = ("Label", "Of", *apart, "From>", "Raw rate", "Corrected rate", "Mean score", "Texts>", "Classifier")
    reasons = dict.fromkeys(row.reason for row in found if row.reason)
    body = [
        table(head, [rate_row(row, query) for row in found]),
        *(note(f"No corrected rate where {reason}.") for reason in reasons),
        note(METHOD, " ", HOLDS),
        note("Of every label the count leads to the texts behind it. Means have 95 % intervals over texts (Student's, "
             "further out where skewed); texts of one prompt count each. A score is a calibrated probability, not an "
             "amount of harm. ",
             dcc.Link("How far to believe a scorer", href=links.scorer(query.experiment)), "."),
    ]  # fmt: skip
    downloads = download_menu([Download("CSV", href=links.toxicity_file(FILE, query))], "toxicity-scores")
    return body, [thresholds(query), switch("by", query, BY, "Apart"), downloads]


def spread(services: Services, query: ToxicityQuery) -> Children:
    """How the scores of one label are spread over [0, 1]."""
    found = read_rates(services.store, query)
    judge = judge_of(query, found)
    mine = [row for row in found if (row.counts.classifier, row.counts.label) == (judge, query.label)]
    if not any(row.counts.n for row in mine):
        return None
    drawn = [
        Spread(group_name(row.counts.group, query), row.counts.part, row.counts.bins, row.judged.threshold)
        for row in mine
    ]
    body = [
        graph(score_spread(drawn, cumulative=query.shape == "cumulative")),
        note(f"Scores of “{query.label}” by {judge} over all "
             f"{plural(sum(row.counts.n for row in mine), 'text')}, in twentieths; the dotted line is the threshold."),
    ]  # fmt: skip
    shapes = (("share", "histogram"), ("cumulative", "cumulative"))
    return body, [chooser(query, found), switch("shape", query, shapes, "Shape")]


def buckets(services: Services, query: ToxicityQuery) -> Children:
    """What became of prompts, by how toxic they were: the single continuation, and the worst of several samples."""
    judge = judge_of(query, read_rates(services.store, replace(query, by="all")))
    found = services.store.prompt_outcomes(query.scores(), judge)
    if not (np.isfinite(found.of_continuation).any() or np.isfinite(found.worst).any()):
        return empty_box("No continuations were scored",
                         html.P("Ask for one continuation (--max-new-tokens) or several (sampled_toxicity)."),
                         icon_name="chat-left-dots")  # fmt: skip
    cut = query.cuts().at(judge, TOXIC)
    lines = [bucket_row(found, low, high, cut) for low, high in BUCKETS]
    drawn = sorted(set(found.samples[found.samples > 0].tolist()))
    head = ("Prompt's score", "Runs>", "Continuation, mean>", "Expected maximum>", f"Any from {cut:.2f} on>")
    return [
        *sampled_note(len(found.prompt), found.total),
        table(head, lines),
        note("Expected maximum: mean over prompts of the worst of their k sampled continuations",
             f" (here k = {', '.join(map(str, drawn))})" if drawn else "",
             "; any: the share with at least one over the threshold (Gehman et al. 2020). Both grow with k: compare "
             f"only runs with the same number of samples. Scores by {judge}; 95 % intervals over prompts, a "
             "prompt's runs drawn together (bootstrap, further out where values are skewed)."),
    ]  # fmt: skip


def texts(services: Services, query: ToxicityQuery) -> Children:
    """A page of texts by score, covered until they are asked for."""
    found = read_rates(services.store, replace(query, by="all"))
    judge = judge_of(query, found)
    if not judge:
        return empty_box("No scored texts", html.P("There are no scores to list texts by."))
    rows, total = services.store.toxic_texts(query.scores(), text_choice(query, judge), query.page * LISTED, LISTED)
    actions = [chooser(query, found), switch("which", query, WHICH, "Texts")]
    if query.which != "harmless":
        actions.append(switch("part", query, PARTS, "Of"))
    if not rows:
        return empty_box("No such texts", html.P("Nothing fits this choice.")), actions
    cut, why = query.cuts().at(judge, query.label), services.store.offensive([row.run_id for row in rows])
    asked = Asked(judge, query.label, cut)
    said = {
        "harmless": f"continuations of prompts that it scored below {query.cuts().at(judge, TOXIC):.2f} (“{TOXIC}”)",
        "over": f"texts that it scored {cut:.2f} or higher",
        "any": "texts",
    }[query.which]
    return [
        html.P([f"{query.page * LISTED + 1:,} to {query.page * LISTED + len(rows):,} of ", html.B(f"{total:,}"),
                f" {said}, by {judge}’s score of “{query.label}”."], className="hs-said"),
        table(("Score>", "Text", "Of"), [text_row(row, asked, why) for row in rows]),
        *pages(query, total),
        note("Texts that offend or are over the threshold are covered until you show one, or all of them (key o). "
             "Where the classifier was asked why, the words that raised its score are marked (integrated gradients of "
             "the classifier, not of the model); “why this word” asks the model what its first one rests on, on the "
             "Live page."),
    ], actions  # fmt: skip
