"""Live: type a prompt and watch tokens, candidates and attention follow; when typing rests, what the answer rests on.

The page is drawn by assets/90_pages/live from one binary answer per keystroke and small ones after it
(headscope.dashboard.api.live); there is no Dash round trip. This module makes the skeleton and hands over the state in
the URL.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from headscope.analysis.registry import DEFAULT_SET, METHODS
from headscope.analysis.types.live import MOST_LIVE_TOKENS
from headscope.dashboard import links
from headscope.dashboard.cards import card, extra, icon
from headscope.dashboard.clientside import clientside
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.pages.live.query import MAX_LINK_CHARACTERS, METHOD, LiveQuery
from headscope.dashboard.services import Services
from headscope.dashboard.typed import DEFAULT_EXPERIMENT, MAX_CHARACTERS

PAGE = Page("live", links.LIVE, "Live", "lightning-charge", 30, shortcut="l")


class Ids(StrEnum):
    """Ids of the Live page; live.js looks its places up by them."""

    ROOT = "live-root"
    BOOT = "live-boot"
    READY = "live-ready"
    TEXT = "live-text"
    MODEL = "live-model"
    TARGET = "live-target"
    FOIL = "live-foil"
    MESSAGE = "live-message"
    LOADING = "live-loading"
    STORED = "live-stored"
    FILTER = "live-filter"
    FACTS = "live-facts"
    SAVE = "live-save"
    LINK = "live-link"
    DIALOG = "live-dialog"
    EXPERIMENT = "live-experiment"
    TOKENS = "live-tokens"
    CANDIDATES = "live-candidates"
    CONTINUE = "live-continue"
    EXPLAINED = "live-explained"
    REMOVAL = "live-removal"
    STRIPS = "live-strips"
    ATTENTION = "live-attention"
    TIMING = "live-timing"


def layout(**query: str | list[str]) -> Component:
    """Skeleton; `live.js` fills it."""
    state = LiveQuery.from_query(query)
    boot = {
        "state": _values(state),
        "defaults": _values(LiveQuery()),
        "method": {"name": METHOD, "label": METHODS[METHOD].label, "summary": METHODS[METHOD].summary},
        "limits": {"text": MAX_CHARACTERS, "link": MAX_LINK_CHARACTERS},
    }
    return html.Div(
        [
            page_header("Live", f"Type up to {MOST_LIVE_TOKENS} tokens, and see what the model makes of them. Only "
                        "what you save is stored.", _actions()),
            notes_box(state.notes),
            dcc.Store(id=Ids.BOOT, data=boot),
            dcc.Store(id=Ids.READY),
            html.Div([_prompt(), _candidates(), _tokens(), _strips(), _attention()], className="hs-live-grid"),
            html.Footer(id=Ids.TIMING, className="hs-live-timing"),
            _dialog(),
        ],
        id=Ids.ROOT,
        className="hs-live",
    )  # fmt: skip


def _values(state: LiveQuery) -> dict[str, Any]:
    return {key: value for key, value in asdict(state).items() if key != "notes"}


def register(app: Dash, services: Services) -> None:
    """The one callback starts live.js when the skeleton is in place."""
    clientside(app, "headscope_live", "mount", Output(Ids.READY, "data"), Input(Ids.BOOT, "data"))


def _actions() -> list[Component]:
    return [
        html.Button([icon("link-45deg"), html.Span("Copy link")], id=Ids.LINK, type="button", className="hs-button"),
        html.Button([icon("bookmark-plus"), html.Span("Save as run")], id=Ids.SAVE, type="button",
                    className="hs-button hs-button-primary", disabled=True),
    ]  # fmt: skip


def _prompt() -> Component:
    body = [
        html.Textarea(id=Ids.TEXT, className="hs-live-text", rows=2, autoFocus=True,
                      placeholder="The doctor told the nurse that", spellCheck="false", **extra(aria_label="Prompt")),
        html.Div(id=Ids.MESSAGE, className="hs-live-message", role="status", **extra(aria_live="polite")),
        html.P(id=Ids.LOADING, className="hs-live-message hint", hidden=True, role="status"),
        html.P(id=Ids.FILTER, className="hs-muted hs-live-filter", hidden=True),
        html.Div(
            [
                _field(Ids.MODEL, "Model", "live-model-box"),
                _field(Ids.TARGET, "Target", "live-target-box"),
                _field(Ids.FOIL, "Foil", "live-foil-box"),
            ],
            className="hs-live-fields",
        ),
        html.P(id=Ids.STORED, className="hs-muted hs-live-filter", hidden=True),
    ]  # fmt: skip
    return card("Prompt", body, id="live-prompt", subtitle="", class_name="hs-live-prompt")


def _field(target: Ids, label: str, box: str) -> Component:
    """A label and the place where live.js puts the control, which React then leaves alone."""
    return html.Div([html.Label(label, htmlFor=target), html.Div(id=box)], className="hs-live-field")


def _candidates() -> Component:
    return card(
        "Next token",
        [html.Div(id=Ids.CANDIDATES), html.Div(id=Ids.CONTINUE)],
        id="live-next",
        class_name="hs-live-next",
        subtitle="Click a candidate to explain it; shift-click to set it against the target.",
    )


def _tokens() -> Component:
    return card(
        "Tokens",
        html.Div(id=Ids.TOKENS, className="hs-live-tokens"),
        id="live-chips",
        class_name="hs-live-chips",
        subtitle="Click a token to explain why the model did or did not expect it there.",
        actions=html.Div(id="live-colours", className="hs-live-colours"),
    )


def _strips() -> Component:
    return card(
        "Token by token",
        [
            html.P(id=Ids.EXPLAINED, className="hs-live-explained", role="status"),
            html.Div(id=Ids.STRIPS, className="hs-live-strips"),
        ],
        id="live-detail",
        class_name="hs-live-detail",
        subtitle="Surprisal against what the model expected of it (entropy); below, what is lost without it.",
        actions=html.Div(id=Ids.REMOVAL, className="hs-live-removal"),
    )


def _attention() -> Component:
    return card(
        "Attention",
        html.Div(id=Ids.ATTENTION),
        id="live-heads",
        class_name="hs-live-heads",
        subtitle="Where every head reads from. Weights show paths information may take, not why an answer came.",
    )


def _dialog() -> Component:
    return html.Dialog(
        [
            html.H2("Save as run"),
            html.P("", id="live-save-what"),
            html.P(f"Computed anew as “{DEFAULT_SET}”: the leave-one-out is that of single tokens, with the "
                   "mean embedding in a token's place.", className="hs-muted"),
            html.Label("Experiment", htmlFor=Ids.EXPERIMENT),
            html.Div(id="live-experiment-box", **extra(data_default=DEFAULT_EXPERIMENT)),
            html.Div(id="live-save-state", className="hs-live-save-state", role="status"),
            html.Div(
                [
                    html.Button("Close", type="button", className="hs-button", **extra(data_close="dialog")),
                    html.Button("Save", id="live-save-go", type="button", className="hs-button hs-button-primary"),
                ],
                className="hs-live-dialog-foot",
            ),
        ],
        id=Ids.DIALOG,
        className="hs-dialog hs-live-dialog",
        **extra(aria_label="Save as run"),
    )  # fmt: skip
