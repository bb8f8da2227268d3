"""The card "Try a text": what the chosen scorer says of a text that is typed, and why.

The text goes to the worker and back; it is in no link and in no store. assets/90_pages/scorer/scorer.js hands it over,
with who asks and the how manieth text this is, so that of one viewer's texts only the newest is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.analysis.errors import InputError
from headscope.analysis.types.judging import JudgeRequest
from headscope.dashboard.callback_guard import UnsentError
from headscope.dashboard.cards import Children, card, copyable, empty_box, extra, guarded
from headscope.dashboard.line import Superseded
from headscope.dashboard.pages.scorer.judged import judged
from headscope.dashboard.pages.scorer.query import Ids, ScorerQuery
from headscope.dashboard.parts import note
from headscope.dashboard.services import PageEngine, Services
from headscope.dashboard.typed import MAX_CHARACTERS

UNSTORED = "Nothing of it is stored, and it is not in the link."
MANY = "headscope toxicity score --explain -"


@dataclass(frozen=True, slots=True)
class Asked:
    """client: who asks; sequence: the how manieth text of theirs."""

    text: str = ""
    client: str = ""
    sequence: int = 0

    @classmethod
    def of(cls, data: Any) -> Asked | None:
        """What the page's script hands over; None before anything was asked. Raises UnsentError for anything else."""
        if data is None:
            return None
        known = data if isinstance(data, Mapping) else {}
        text, client, sequence = (known.get(name) for name in ("text", "client", "sequence"))
        whole = isinstance(sequence, int) and not isinstance(sequence, bool) and sequence >= 0
        if isinstance(text, str) and isinstance(client, str) and isinstance(sequence, int) and whole:
            return cls(text, client, sequence)
        raise UnsentError("a text to score is {text: text, client: text, sequence: whole number from 0}.")


def frame() -> list[Component]:
    """The card with its field; `answer` fills the rest."""
    body = [
        dcc.Store(id=Ids.ASKED),
        html.Div(
            [
                html.Textarea(id=Ids.TEXT, rows=2, className="hs-field", placeholder="Two of my friends are women.",
                              spellCheck="false", **extra(aria_label="Text to score")),
                html.Div(
                    [
                        html.Button("Score", id=Ids.SCORE, type="button", className="hs-button hs-button-primary"),
                        html.Span(f"or Ctrl+Enter. {UNSTORED}", className="hs-muted"),
                    ],
                    className="hs-scorer-ask",
                ),
            ],
            id=Ids.FORM,
        ),
        html.Div(id=Ids.ANSWER, **extra(aria_live="polite")),
        html.P("Scoring. The first text takes longer: the worker loads the scorer.", className="hs-scorer-waits",
               role="status"),
    ]  # fmt: skip
    return [card("Try a text", body, id="scorer-try", subtitle="What this scorer says of a text of yours, and why.")]


def answer(services: Services, query: ScorerQuery, asked: Asked | None) -> tuple[Children, bool]:
    """What stands below the field, and whether the field is of no use here."""
    if services.engine is None:
        return empty_box(
            "Nothing is computed here",
            html.P("This server shows stored results. Start one with “headscope serve” to score a text, or ask:"),
            copyable(MANY),
        ), True
    if asked is None or not asked.text.strip():
        guard = services.engine.content_filter()
        said = "Type a text first." if asked else "No text was scored yet."
        return note(said, f" The content filter of this server {guard}." if guard else ""), False
    return _scored(services.engine, query, asked), False


@guarded("score this text")
def _scored(engine: PageEngine, query: ScorerQuery, asked: Asked) -> Children:
    if len(asked.text) > MAX_CHARACTERS:
        raise InputError(
            f"the text has {len(asked.text):,} characters, and this card takes {MAX_CHARACTERS:,}: shorten it, or use "
            f"`{MANY}`, which reads standard input."
        )
    request = JudgeRequest(query.stated().scorer, asked.text)
    try:
        return judged(engine.judge(request, asked.client, asked.sequence))
    except Superseded:
        raise PreventUpdate from None
