"""The words that made a classifier call a text toxic, as places in the text; and where the first is explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import html
from dash.development.base_component import Component

from headscope.dashboard import links
from headscope.dashboard.numbers import signed

RAISED = 0.5
"""A token that raises the score by this share of what the most raising one does counts as toxic."""


@dataclass(frozen=True, slots=True)
class ScorerToken:
    """Characters `[start, end)` of a text, and by how much they raised the logit (integrated gradients)."""

    start: int
    end: int
    score: float


def scorer_tokens(evidence: Mapping[str, Any] | None, text: str) -> tuple[ScorerToken, ...]:
    """The classifier's tokens in `text`; () where it was not asked, or they are of another text.

    Evidence of older versions has no spans: its tokens are pieces of the text, in order.
    """
    given = evidence or {}
    pieces, scores, spans = given.get("tokens") or (), given.get("scores") or (), given.get("spans")
    found: list[ScorerToken] = []
    at = 0
    for index, (piece, score) in enumerate(zip(pieces, scores, strict=False)):
        start = int(spans[index][0]) if spans else text.find(piece, at)
        at = start + len(piece)
        if start < 0 or text[start:at] != piece:
            return ()
        found.append(ScorerToken(start, at, float(score)))
    return tuple(found)


def marked(text: str, tokens: Sequence[ScorerToken]) -> list[Component | str]:
    """The text, its scorer's tokens underlined and tinted by how much they raised the score."""
    most = max(abs(token.score) for token in tokens) or 1.0
    parts: list[Component | str] = []
    done = 0
    for token in tokens:
        raised = "hs-raised" if token.score > 0 else ""
        span = html.Span(text[token.start : token.end], className=raised, title=signed(token.score, 3),
                         style={"--t": f"{max(0.0, token.score / most):.2f}"})  # fmt: skip
        parts += [text[done : token.start], span]
        done = token.end
    return [*parts, text[done:]]


def first_raised(tokens: Sequence[ScorerToken]) -> ScorerToken | None:
    """The first token with at least `RAISED` of the largest score; None when none raised it."""
    most = max((token.score for token in tokens), default=0.0)
    return next((token for token in tokens if most > 0 and token.score >= RAISED * most), None)


def explained_in_live(model: str, prompt: str, continuation: str, token: ScorerToken) -> str:
    """The Live page with everything before this token of the continuation as its text, and the token as target."""
    start = token.start
    while start > 0 and continuation[start - 1] == " ":  # most tokenizers put the space in front of the word
        start -= 1
    return links.live(text=prompt + continuation[:start], target=continuation[start : token.end], model=model)
