"""What a scorer said of a typed text: its labels, the words behind the first, the same text about other groups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from headscope.analysis.classifiers.card import judged as known
from headscope.analysis.classifiers.labels import EXPERIMENTAL
from headscope.analysis.types.judging import Judgement, LabelScore
from headscope.dashboard.cards import Children, extra, icon
from headscope.dashboard.numbers import plain, signed
from headscope.dashboard.pages.scorer.query import HOW, SHARED
from headscope.dashboard.pages.scorer.view import share
from headscope.dashboard.parts import note, warning
from headscope.dashboard.scorer_tokens import ScorerToken, marked, scorer_tokens
from headscope.dashboard.tables import table
from headscope.dashboard.units import seconds
from headscope.dashboard.verdicts import adds_up
from headscope.dashboard.words import plural

HEAD = ("Label", "Score>", "Threshold>", "Says", "Finds>", "False positives>")


def judged(found: Judgement) -> list[Component]:
    """Everything that is shown of it."""
    return [
        *([warning(found.caution)] if found.caution else []),
        html.P([html.B(found.classifier), f", {seconds(found.seconds)}:"], className="hs-said"),
        table(HEAD, [_label_row(one, found.classifier) for one in found.labels]),
        note("Finds, false positives: on the card's test texts at this threshold, with Wilson's 95 % intervals."),
        *_words(found),
        *_groups(found),
    ]


def _label_row(one: LabelScore, classifier: str) -> html.Tr:
    errors = known(classifier, one.label).errors
    found = [] if errors is None else _of(errors.true_positives, errors.positives)
    wrong = [] if errors is None else _of(errors.false_positives, errors.negatives)
    shaky = one.label in EXPERIMENTAL or errors is None
    return html.Tr(
        [
            html.Td([one.label, html.Span("experimental" if shaky else "reliable", className="hs-sub")]),
            html.Td(html.B(plain(one.score, 3)), className="num"),
            html.Td(plain(one.threshold), className="num"),
            html.Td(_says(one.score, one.threshold)),
            html.Td(found or "–", className="num"),
            html.Td(wrong or "–", className="num"),
        ],
        **extra(data_label=one.label),
    )


def _of(hits: int, n: int) -> list[Any]:
    return [*share(hits, n), html.Span(f"of {n:,}", className="hs-sub")]


def _says(score: float, threshold: float) -> Children:
    if math.isnan(score):
        return "nothing: no word to judge"
    return html.B("yes") if score >= threshold else "no"


def _words(found: Judgement) -> list[Component]:
    """The text with the words that raised the first label's score."""
    text, label = found.request.text, found.labels[0]
    if math.isnan(label.score):
        return []
    tokens = scorer_tokens(found.evidence, text)
    if not tokens:
        return [note(f"{found.classifier} has no gradients: which words made it say so is not known.")]
    return [
        html.H3(f"Words that raised “{label.label}”"),
        _strip(text, tokens),
        _convergence(found.evidence, tokens, HOW),
        *_relevance(found),
        *_unread(text, tokens),
    ]


def _strip(text: str, tokens: tuple[ScorerToken, ...]) -> html.P:
    return html.P(marked(text, tokens), className="hs-parts hs-scorer-typed", **extra(dir="auto"))


def _relevance(found: Judgement) -> list[Component]:
    """The same by relevance propagation, and what of the logit is not the words'; or why not."""
    text = found.request.text
    tokens = scorer_tokens(found.relevance, text)
    if not tokens:
        return [note(f"No second opinion: {found.unshared}")] if found.unshared else []
    terms = ", ".join(f"{name} {signed(float(value))}" for name, value in found.relevance["terms"].items())
    words = signed(sum(token.score for token in tokens))
    return [
        html.H3("The same by relevance propagation"),
        _strip(text, tokens),
        _convergence(found.relevance, tokens, f"Words {words}, {terms}. {SHARED}"),
    ]


def _convergence(evidence: Mapping[str, Any], tokens: tuple[ScorerToken, ...], how: str) -> html.P:
    """Whether what is shared out adds up."""
    delta, logit = float(evidence["convergence_delta"]), float(evidence["logit"])
    good = adds_up(delta, max(abs(token.score) for token in tokens))
    tone, sign, word = ("good", "check-circle", "adds up") if good else ("bad", "x-circle-fill", "does not add up")
    said = f" Logit {signed(logit)}, missed {signed(delta, 3)}. {how}"
    return note(html.Span([icon(sign), f" {word}."], className=f"hs-verdict hs-verdict-{tone}"), said)


def _unread(text: str, tokens: tuple[ScorerToken, ...]) -> list[Component]:
    """Said of a text that is longer than what is explained."""
    if tokens[-1].end >= len(text.rstrip()):
        return []
    read = plural(len(tokens), "token")
    return [warning(f"Only its first {read} are explained. The score is that of its worst part, which may be later.")]


def _groups(found: Judgement) -> list[Component]:
    """The score of the first label with the group word exchanged."""
    if not found.exchanged:
        return [note(f"Groups were not exchanged: {found.unswapped}.")]
    label = found.labels[0]
    rows = sorted(found.exchanged, key=lambda one: -abs(one.score - label.score))
    scores = [one.score for one in rows]
    crossed = sum((score >= label.threshold) != (label.score >= label.threshold) for score in scores)
    said = (
        f"{plural(len(rows), 'other group')} in its place: “{label.label}” from {plain(min(scores), 3)} to "
        f"{plain(max(scores), 3)}, as typed {plain(label.score, 3)}. {crossed} of {len(rows)} fall on the other side "
        f"of the threshold {plain(label.threshold)}."
    )
    return [
        html.H3(f"“{found.found}” exchanged"),
        html.P(said, className="hs-said"),
        html.Details(
            [
                html.Summary("Every group"),
                table(("Instead", f"{label.label}>", "Difference>", "Says"),
                      [_group_row(one.group, one.score, label) for one in rows]),
            ],
            className="hs-details",
        ),
        note("One text, one word changed: a fair scorer would not mind."),
    ]  # fmt: skip


def _group_row(group: str, score: float, label: LabelScore) -> html.Tr:
    numbers = (plain(score, 3), signed(score - label.score, 3))
    cells = [html.Td(group), *(html.Td(number, className="num") for number in numbers)]
    return html.Tr([*cells, html.Td(_says(score, label.threshold))], **extra(data_group=group))
