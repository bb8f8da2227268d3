"""A page of cards over the runs a link stands for: the bar that chooses them, and a callback for every card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dash import Dash, Input, Output, State, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from headscope.dashboard.cards import Children, card, guarded, loading_box
from headscope.dashboard.ids import Shell
from headscope.dashboard.layout import notes_box, page_header
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.bar import scope_bar
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.dashboard.services import Services
from headscope.dashboard.still import still
from headscope.storage.interfaces import RunReader

Q = TypeVar("Q", bound=ScopeQuery)


@dataclass(frozen=True, slots=True)
class Card(Generic[Q]):
    """One card: `view(services, query)` gives its body, or body and actions; None hides the card. scoped: it waits for
    runs to be chosen."""

    title: str
    subtitle: str
    view: Callable[[Services, Q], Children]
    scoped: bool = True


@dataclass(frozen=True, slots=True)
class ScopedPage(Generic[Q]):
    """cards: by id. purpose: completes "... of one experiment."; limits: what the page cannot tell, always shown. bar:
    what is chosen above the cards, of the store, the link and `purpose`. first: cards that the page fills itself."""

    query: type[Q]
    subtitle: str
    purpose: str
    limits: Children
    cards: Mapping[str, Card[Q]]
    bar: Callable[[RunReader, Q, str], Children] = scope_bar
    first: Callable[[], Sequence[Component]] = tuple

    @property
    def page(self) -> Page:
        """The page whose links these queries are."""
        return self.query.PAGE

    def layout(self, **query: Any) -> Component:
        """Skeleton; the cards fill from the link."""
        name = self.page.name
        cards = [
            card(item.title, loading_box(160), id=id_, subtitle=item.subtitle, actions=html.Div(id=f"{id_}-actions"))
            for id_, item in self.cards.items()
        ]
        return html.Div(
            [
                page_header(self.page.label, self.subtitle),
                html.Div(notes_box(self.query.from_query(query).notes), id=f"{name}-notes"),
                html.Div(loading_box(32), id=f"{name}-scope", className="hs-scope"),
                html.Details([html.Summary("What these numbers can and cannot tell"), html.Div(self.limits)],
                             className="hs-details hs-limits"),
                html.Div([*self.first(), *cards], className="hs-stack"),
            ],
            id=f"{name}-root",
            className=f"hs-scoped hs-{name}",
        )  # fmt: skip

    def register(self, app: Dash, services: Services) -> None:
        """Callbacks: the bar and each card follow the link."""
        here = (Input(Shell.URL, "search"), State(Shell.URL, "pathname"))
        name = self.page.name

        @app.callback(Output(f"{name}-scope", "children"), Output(f"{name}-notes", "children"), *here)
        def show_scope(search: str, path: str) -> tuple[Children, Children]:
            query = self.parse(search, path)
            return self.bar(services.store, query, self.purpose), notes_box(query.notes)

        def follow(id_: str) -> None:
            @app.callback(Output(f"{id_}-body", "children"), Output(f"{id_}-actions", "children"), *here)
            def show(search: str, path: str) -> tuple[Children, Children]:
                body, actions = self.content(id_, services, self.parse(search, path))
                return still(body), actions

        for id_ in self.cards:
            follow(id_)

    def parse(self, search: str | None, path: str) -> Q:
        """The link's state; leaving the page also changes the address, which is none of its callbacks' business."""
        found = self.query.at(path, search or "")
        if found is None:
            raise PreventUpdate
        return found

    def content(self, id_: str, services: Services, query: Q) -> tuple[Children, Children]:
        """A card's body and actions; nothing (the card is not shown) until the runs are chosen, where it waits."""
        if self.cards[id_].scoped and not query.chosen:
            return None, None
        view = self.cards[id_].view

        @guarded(f"show “{self.cards[id_].title}”")
        def shown() -> Children:
            return view(services, query)

        found = shown()
        return found if isinstance(found, tuple) else (found, None)
