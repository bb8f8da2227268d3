"""Offensive texts stay covered until the viewer uncovers them: one by one, a whole run, or all with the switch of the
shell. What a viewer chose lies in the viewer's cookies (assets/60_parts/covered/covered.js), nothing of it here.

A list draws the text inside its cover, where only the style hides it (`covered`, `run_link`). A page that draws tokens
asks `hidden` what to leave out of its answer (`blotted.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from dash import dcc, html
from dash.development.base_component import Component
from flask import has_request_context, request

from headscope.dashboard.cards import Children, extra, icon
from headscope.dashboard.words import plural
from headscope.storage.rows import Offence, Offences
from headscope.storage.rows.offensive import CONTINUATION, PROMPT

SWITCH, REVEALED = "headscope-offensive", "headscope-revealed"
SHOWN = "shown"
SHOW = "Show the covered text"


def shows_all() -> bool:
    """Whether this viewer's switch shows offensive texts; never outside of a request."""
    return has_request_context() and request.cookies.get(SWITCH) == SHOWN


def revealed() -> frozenset[str]:
    """Ids of the runs that this viewer uncovered on their own pages."""
    return frozenset(request.cookies.get(REVEALED, "").split(".")) if has_request_context() else frozenset()


def hidden(offences: Offences) -> Offences:
    """What of it is still covered for this viewer."""
    shown = revealed()
    return {} if shows_all() else {run_id: parts for run_id, parts in offences.items() if run_id not in shown}


def prompt(offences: Offences, run_id: str) -> Offence | None:
    """Why this run's prompt is offensive; None where it is not."""
    return offences.get(run_id, {}).get(PROMPT)


def answer(offences: Offences, run_id: str) -> Offence | None:
    """Why what its model went on with is offensive."""
    return offences.get(run_id, {}).get(CONTINUATION)


def anything(offences: Offences, run_id: str) -> Offence | None:
    """Why any text of it is offensive."""
    return next(iter(offences.get(run_id, {}).values()), None)


def covered(content: Children, text: str, why: Offence | None, *, button: bool = True) -> Children:
    """The content below its cover, which says how long `text` is and why; the content itself without an offence.
    button: False where the content lies inside a control: the switch alone uncovers it then."""
    if why is None:
        return content
    return html.Span([*_sides(content, text, why), toggle() if button else None], className="hs-cover")


def run_link(text: str, href: str, why: Offence | None = None, class_name: str = "hs-strong hs-ellipsis") -> Component:
    """A prompt that leads to its run, and does so covered, too."""
    if why is None:
        return dcc.Link(text, href=href, className=class_name, title=text)
    link = dcc.Link(_sides(text, text, why), href=href, className=class_name)
    return html.Span([link, toggle()], className="hs-cover")


def label(text: str, why: Offence) -> str:
    """What stands on a cover: `covered: 12 words · toxic`."""
    return f"covered: {plural(len(text.split()), 'word')} · {why.cause}"


def toggle() -> html.Button:
    """Uncovers and covers again."""
    return html.Button(
        icon("eye"), type="button", className="hs-cover-button", title=SHOW,
        **extra(aria_label=SHOW, aria_expanded="false"),
    )  # fmt: skip


def bar(offences: Offences, waits: str = "") -> Component | None:
    """Above what is drawn of runs: what of them is offensive, and a button that shows or covers it. waits: what is left
    out while it is covered."""
    if not offences:
        return None
    said = "; ".join(dict.fromkeys(_said(parts) for parts in offences.values()))
    covers = bool(hidden(offences))
    button = html.Button(
        [icon("eye" if covers else "eye-slash"), "Show the text" if covers else "Cover the text"],
        type="button", className="hs-button hs-small",
        **extra(data_reveal=" ".join(offences), aria_expanded=str(not covers).lower()),
    )  # fmt: skip
    state = f"The text is covered. {waits}" if covers else "The text is shown to you."
    return html.Div([icon("eye-slash" if covers else "eye"), html.P(f"Offensive: {said}. {state}"), button],
                    className="hs-cover-bar", role="note")  # fmt: skip


def title(run_id: str) -> str:
    """What a tab, a bookmark and the browser's history say of an offensive prompt, uncovered or not."""
    return f"covered prompt, run {run_id[-4:]}"


def _said(parts: Mapping[str, Offence]) -> str:
    return ", ".join(f"{part} ({why.said})" for part, why in parts.items())


def _sides(content: Children, text: str, why: Offence) -> list[Component]:
    return [html.Span(label(text, why), className="hs-cover-label"), html.Span(content, className="hs-cover-text")]
