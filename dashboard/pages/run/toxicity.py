"""What classifiers say of a run's prompt and continuation: scores, and the words that made them say so beside the
model's own surprisal of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from headscope.analysis.alignment import RawTokens, align, token_words, tokenized
from headscope.analysis.classifiers.card import judged
from headscope.analysis.types import Float32, TokenizedText
from headscope.analysis.types.findings import ToxicityScore
from headscope.dashboard import links
from headscope.dashboard.cards import Children, extra
from headscope.dashboard.numbers import plain, signed
from headscope.dashboard.pages.run.sources import of_continuation
from headscope.dashboard.parts import note
from headscope.dashboard.scorer_tokens import ScorerToken, explained_in_live, first_raised, scorer_tokens
from headscope.dashboard.tables import table
from headscope.dashboard.text import quoted, short, visible
from headscope.dashboard.units import bits
from headscope.dashboard.words import DASH
from headscope.storage.rows import RunDetail


@dataclass(frozen=True, slots=True)
class Column:
    """The smallest stretch of text that both cut at its ends. score: of the classifier's tokens in it, NaN without
    any; pieces: the model's tokens with their surprisals (nats, NaN for unmeasured)."""

    text: str
    score: float
    pieces: tuple[tuple[str, float], ...]


def has_scores(detail: RunDetail) -> bool:
    """Whether a classifier judged this run."""
    return any(isinstance(found, ToxicityScore) for found in detail.findings)


def toxicity(detail: RunDetail) -> Children:
    """A table of scores; under it a strip for every text whose classifier was asked why."""
    scores = [found for found in detail.findings if isinstance(found, ToxicityScore)]
    rows = [_row(found) for found in sorted(scores, key=lambda s: (s.classifier, s.part != "prompt", -_known(s.score)))]
    strips = [part for found in scores if found.evidence for part in _strip(detail, found)]
    where = [note(dcc.Link("All scores of this experiment", href=links.toxicity(detail.row.experiment)))]
    return [table(("Of", "Label", "Score>", "From>", "Classifier"), rows), *strips, *where]


def columns(text: str, scorer: Sequence[ScorerToken], model: TokenizedText, surprisal: Float32) -> tuple[Column, ...]:
    """Both tokenizations of `text`, as far as the classifier read it, by characters.

    surprisal: float32 `[token of the model]`, nats. () where there are no tokens of one of them.
    """
    if not scorer or not len(model):
        return ()
    end = scorer[-1].end
    kept = int(np.searchsorted(model.char_spans[:, 0], end, side="left"))
    mine = _part(model, kept)
    n = len(scorer)
    raw = RawTokens(tuple(range(n)), (b"",) * n, tuple((t.start, t.end) for t in scorer), (False,) * n, (False,) * n)
    theirs = tokenized(mine.text, raw)
    found = []
    for pair in align(theirs, mine):
        ours, said = range(*pair.a), range(*pair.b)
        texts = [mine.texts[i] for i in said] or [theirs.texts[i] for i in ours]
        score = sum(scorer[i].score for i in ours) if ours else float("nan")
        found.append(Column("".join(texts), score, tuple((mine.texts[i], float(surprisal[i])) for i in said)))
    return tuple(found)


def _part(model: TokenizedText, count: int) -> TokenizedText:
    """The first `count` tokens and their text."""
    stop = int(model.char_spans[count - 1, 1]) if count else 0
    return TokenizedText(
        model.text[:stop], model.ids[:count], model.texts[:count], model.char_spans[:count], model.words[:count],
        model.special[:count],
    )  # fmt: skip


def _of_model(detail: RunDetail, part: str) -> tuple[TokenizedText, Float32] | None:
    """The model's own tokens of a part with their surprisals; None where they do not spell it."""
    if part == "prompt":
        return None if detail.trace is None else (detail.trace.tokens, -detail.trace.logprobs)
    said = detail.continuation
    if said is None or "".join(said.texts) != said.text:
        return None
    ends = np.cumsum([len(text) for text in said.texts], dtype=np.int32)
    spans = np.stack([np.r_[0, ends[:-1]], ends], axis=-1).astype(np.int32) if len(ends) else np.empty((0, 2), np.int32)
    special = np.zeros(len(ends), dtype=np.bool_)
    words = token_words(said.text, spans, special.tolist())
    return TokenizedText(said.text, said.ids, said.texts, spans, words, special), -said.logprobs


def _row(found: ToxicityScore) -> html.Tr:
    known = judged(found.classifier, found.label)
    over = found.score >= known.threshold
    score = html.B(plain(found.score, 3)) if over else plain(found.score, 3)
    return html.Tr(
        [
            html.Td(found.part),
            html.Td([found.label, *([html.Span("over its threshold", className="hs-sub")] if over else [])]),
            html.Td(score, className="num"),
            html.Td(plain(known.threshold), className="num"),
            html.Td(found.classifier, className="hs-muted"),
        ]
    )


def _strip(detail: RunDetail, found: ToxicityScore) -> list[Component]:
    continuation = "" if detail.continuation is None else detail.continuation.text
    text = detail.row.text if found.part == "prompt" else continuation
    tokens, model = scorer_tokens(found.evidence, text), _of_model(detail, found.part)
    title = html.H3(f"Why {found.part} is “{found.label}” to {found.classifier}")
    if not tokens or model is None:
        return [title, note("The classifier’s tokens cannot be laid beside the model’s: they do not spell this text.")]
    cells = columns(text, tokens, *model)
    most = max((abs(cell.score) for cell in cells if not math.isnan(cell.score)), default=1.0) or 1.0
    strip = html.Div([_cell(cell, most) for cell in cells], className="hs-scorer-strip", **extra(dir="auto"))
    read = "" if tokens[-1].end >= len(text.rstrip()) else " It was asked about its first 128 tokens only."
    told = note("Above: by how much each stretch raised the classifier’s logit (integrated gradients of the "
                "classifier). Below: the model’s own tokens of it, with their surprisal in bits: low where the model "
                "saw it coming."
                f"{read}")  # fmt: skip
    return [title, strip, told, *(_why(detail, tokens) if found.part == "continuation" else [])]


def _cell(cell: Column, most: float) -> html.Div:
    measured = not math.isnan(cell.score)
    tint = {"--t": f"{max(0.0, cell.score / most):.2f}"} if measured else {"--t": "0"}
    raised = "hs-raised" if measured and cell.score > 0 else ""
    below = [
        html.Span([html.Span(visible(text)), html.Small(bits(surprisal, 1))], className="hs-scorer-token")
        for text, surprisal in cell.pieces
    ]
    return html.Div(
        [
            html.Span(short(cell.text, 40), className=raised, style=tint),
            html.Small(signed(cell.score, 2) if measured else DASH),
            html.Div(below, className="hs-scorer-model"),
        ],
        className="hs-scorer-column",
    )


def _why(detail: RunDetail, tokens: Sequence[ScorerToken]) -> list[Component]:
    """A link to what the model's first toxic token rests on: here where this run explains its continuation."""
    first, said = first_raised(tokens), detail.continuation
    if first is None or said is None:
        return []
    word = quoted(said.text[first.start : first.end])
    if of_continuation(detail.attributions):
        ends = np.cumsum([len(text) for text in said.texts])
        index = int(np.searchsorted(ends, first.start, side="right"))
        here = links.run_explaining(detail.row.id, index)
        return [html.P(["The first toxic token is ", word, ": ", dcc.Link("what it rests on", href=here), "."])]
    live = explained_in_live(detail.row.model, detail.row.text, said.text, first)
    return [html.P(["The first toxic token is ", word, ": ", dcc.Link("explain it in Live", href=live),
                    ", or run the prompt with ", html.Code("--explain continuation"), "."])]  # fmt: skip


def _known(score: float) -> float:
    return -1.0 if math.isnan(score) else score
