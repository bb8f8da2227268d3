"""The building blocks of every page: cards, and the four states a card can be in besides full.

Empty, loading, failed and zero look different: `empty_box`, `loading_box`, `error_box`, and simply the number 0.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

from dash import dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.analysis.errors import HeadscopeError
from headscope.analysis.types import RunStatus

LOG = logging.getLogger("headscope.dashboard")
P = ParamSpec("P")
Children = Any

STATUS_ICONS = {
    RunStatus.SUCCEEDED: "check-circle-fill",
    RunStatus.FAILED: "x-octagon-fill",
    RunStatus.RUNNING: "arrow-repeat",
    RunStatus.QUEUED: "hourglass-split",
    RunStatus.CANCELLED: "slash-circle",
    RunStatus.INTERRUPTED: "plug",
}


def extra(**values: str) -> Any:
    """data-* and aria-* attributes: `html.Div(..., **extra(aria_label="Close", data_row="3"))`."""
    return {name.replace("_", "-"): value for name, value in values.items()}


def icon(name: str, class_name: str = "") -> html.I:
    """A Bootstrap icon, hidden from screen readers: text says what it means."""
    return html.I(className=f"bi bi-{name} {class_name}".strip(), **extra(aria_hidden="true"))


@dataclass(frozen=True, slots=True)
class Download:
    """One entry of a card's download menu: a link (`href`), or a picture of the card's figure (`picture` png or svg).

    Pictures are made in the browser from the first Plotly figure in the card, without one of the whole card; a card
    whose picture is another registers `headscope.pictured[card id] = (format) => Promise<Blob>`.
    """

    label: str
    href: str = ""
    picture: str = ""


PICTURES = (Download("PNG", picture="png"), Download("SVG", picture="svg"))


def is_box(part: object) -> bool:
    """Whether a part of a card only says why there is nothing."""
    return isinstance(part, Component) and "hs-box" in str(getattr(part, "className", ""))


def drawn(content: Children) -> bool:
    """Whether a card has what it is for, and no box in its place."""
    return content is not None and not any(map(is_box, content if isinstance(content, list) else [content]))


def card(
    title: str,
    body: Children,
    *,
    id: str,  # noqa: A002 - Dash's name for it
    subtitle: str = "",
    actions: Children = None,
    downloads: Sequence[Download] = (),
    class_name: str = "",
) -> html.Section:
    """A frame with a title, a subtitle saying what is measured and in which unit, a body and a download menu.

    The ids are `{id}` (frame), `{id}-subtitle` and `{id}-body`; `body` is usually a `loading_box` filled by a callback
    with Output(f"{id}-body", "children").
    """
    heading = f"{id}-title"
    head = html.Header(
        [
            html.Div(
                [html.H2(title, id=heading), html.P(subtitle, id=f"{id}-subtitle", className="hs-card-subtitle")],
                className="hs-card-heading",
            ),
            html.Div([actions, download_menu(downloads, id)], className="hs-card-actions"),
        ],
        className="hs-card-head",
    )
    return html.Section(
        [head, html.Div(body, id=f"{id}-body", className="hs-card-body")],
        id=id,
        className=f"hs-card {class_name}".strip(),
        **extra(aria_labelledby=heading),
    )


def download_menu(downloads: Sequence[Download], card_id: str = "") -> Component | None:
    """A native disclosure menu: keyboard-usable without script, closed by Escape or a click elsewhere (menus.js).
    `card_id`: where pictures are taken from."""
    if not downloads:
        return None
    entries = [
        html.A(item.label, href=item.href, download="", role="menuitem")
        if item.href
        else html.Button(
            item.label, type="button", role="menuitem", **extra(data_picture=item.picture, data_card=card_id)
        )
        for item in downloads
    ]
    summary = html.Summary(
        icon("download"), title="Download", **extra(aria_label="Download"), className="hs-icon-button"
    )
    return html.Details([summary, html.Div(entries, className="hs-menu-list", role="menu")], className="hs-menu")


def stat(label: str, value: Children, *, href: str = "", hint: str = "", tone: str = "") -> Component:
    """A headline number; with `href` the whole tile leads to what is counted."""
    content = [html.Span(label, className="hs-stat-label"), html.Span(value, className="hs-stat-value")]
    if hint:
        content.append(html.Span(hint, className="hs-stat-hint"))
    class_name = f"hs-stat {tone}".strip()
    if href.startswith("#"):
        return html.A(content, href=href, className=class_name)
    return dcc.Link(content, href=href, className=class_name) if href else html.Div(content, className=class_name)


def status_badge(status: RunStatus | str) -> html.Span:
    """Icon and word; colour is never alone."""
    value = RunStatus(status)
    return html.Span([icon(STATUS_ICONS[value]), value.value], className=f"hs-status hs-status-{value.value}")


def copyable(command: str) -> html.Div:
    """A command line with a copy button."""
    return html.Div(
        [
            html.Code(command),
            html.Button([icon("clipboard"), html.Span("Copy")], type="button", className="hs-copy",
                        **extra(data_copy=command, aria_label="Copy the command")),
        ],
        className="hs-command",
    )  # fmt: skip


def loading_box(height: int = 96, label: str = "Loading") -> html.Div:
    """A quiet placeholder of the height (px) the content will have."""
    return html.Div(
        html.Span(label, className="visually-hidden"), className="hs-loading", style={"minHeight": f"{height}px"},
        role="status",
    )  # fmt: skip


def empty_box(title: str, *body: Children, icon_name: str = "inbox") -> html.Div:
    """Nothing is there, which is not an error: say why, and what would fill it."""
    return html.Div([icon(icon_name, "hs-box-icon"), html.H3(title), *body], className="hs-box hs-empty")


def error_box(doing: str, error: BaseException) -> html.Div:
    """What could not be done, why, and what to do. `doing` completes "Could not ..."."""
    known = isinstance(error, HeadscopeError)
    reason = str(error) if known else f"{type(error).__name__}: {error}"
    advice = "" if known else "This is a fault in Headscope; the server's log has the details. Reloading may help."
    return html.Div(
        [
            icon("exclamation-triangle-fill", "hs-box-icon"),
            html.H3(f"Could not {doing}"),
            html.P(reason, className="hs-box-reason"),
            html.P(advice) if advice else None,
        ],
        className="hs-box hs-error",
        role="alert",
    )


def guarded(doing: str) -> Callable[[Callable[P, Children]], Callable[P, Children]]:
    """Decorate a function that returns one card's content: when it raises, the card shows an `error_box` and the rest
    of the page lives on. `doing` completes "Could not ..."; an unexpected error is logged with its stack."""

    def decorate(function: Callable[P, Children]) -> Callable[P, Children]:
        @functools.wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> Children:
            try:
                return function(*args, **kwargs)
            except PreventUpdate:
                raise
            except Exception as error:
                if not isinstance(error, HeadscopeError):
                    LOG.exception("could not %s", doing)
                return error_box(doing, error)

        return inner

    return decorate
