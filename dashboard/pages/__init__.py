"""The pages. Each is a folder; adding one is a folder and its module `page` in `PAGES`.

    page.py    PAGE: Page                           what it is called and where it lives
               layout(**query) -> Component         a static skeleton, no store access; `query` is `parse_query(...)`
               register(app, services) -> None      its callbacks; clientside ones by ClientsideFunction only
               class Ids(StrEnum)                   values start with the page's name
    query.py   the state of its link, a frozen dataclass, and what is read from the store for it
    cards.py   what stands in its cards: query, figure, and the states in which there is none
    view.py    pure functions of typed data: components and view models

Pages do not know each other. One of another installed package is named in an entry point of the group
`headscope.pages`, whose value is a module like `page.py`.

Two traps. `Input(Shell.URL, "search")` also fires when the user leaves for another page: look at `Shell.URL.pathname`
first. `dcc.Input` shuffles fast typing, and any `debounce` of Dash reads its field after the page took it away: use
`dbc.Input` without, inside `html.Div(..., **extra(data_typed="the id of a store"))` (assets/50_base/typed.js).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from headscope.analysis.registry.foreign import foreign, leave_out

if TYPE_CHECKING:  # the numbers of pages are read without Dash, too
    from dash import Dash
    from dash.development.base_component import Component

    from headscope.dashboard.services import Services

GROUP = "headscope.pages"
PAGES: list[str] = [
    "headscope.dashboard.pages.overview.page",
    "headscope.dashboard.pages.runs.page",
    "headscope.dashboard.pages.charts.page",
    "headscope.dashboard.pages.models.page",
    "headscope.dashboard.pages.methods.page",
    "headscope.dashboard.pages.heads.page",
    "headscope.dashboard.pages.heads.head",
    "headscope.dashboard.pages.confidence.page",
    "headscope.dashboard.pages.toxicity.page",
    "headscope.dashboard.pages.scorer.page",
    "headscope.dashboard.pages.bias.page",
    "headscope.dashboard.pages.failures.page",
    "headscope.dashboard.pages.regression.page",
    "headscope.dashboard.pages.blackbox.page",
    "headscope.dashboard.pages.run.page",
    "headscope.dashboard.pages.live.page",
    "headscope.dashboard.pages.patching.page",
    "headscope.dashboard.pages.compare.page",
]


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `icon` is a Bootstrap icon name without `bi-`; `shortcut` the key that follows `g`.

    `identity`: query keys whose change makes it another page (its layout is built anew); a change of any other key only
    reaches the page's own callbacks, through `Input(Shell.URL, "search")`. `libraries`: packages of components that no
    other page should load. below: every address that begins with `path` (which ends in a slash) is this page's, and
    what follows says what it shows.
    """

    name: str
    path: str
    label: str
    icon: str
    order: int
    in_nav: bool = True
    identity: tuple[str, ...] = ()
    shortcut: str = ""
    libraries: tuple[str, ...] = ()
    below: bool = False

    def has(self, path: str) -> bool:
        """Whether this is the page at `path`."""
        return path == self.path or (self.below and path.startswith(self.path))


class PageModule(Protocol):
    """What a page module offers."""

    PAGE: Page

    @staticmethod
    def layout(**query: str | list[str]) -> Component:
        """The skeleton; must not raise for any query."""

    @staticmethod
    def register(app: Dash, services: Services) -> None:
        """Register callbacks on this app."""


def load_pages() -> tuple[PageModule, ...]:
    """The modules of `PAGES` and of other packages, in navigation order."""
    modules = [cast(PageModule, import_module(name)) for name in PAGES]
    named = {module.PAGE.name for module in modules}
    for name, module in foreign(GROUP, named, "module with PAGE, layout and register", _is_page).items():
        if any(module.PAGE.name == known.PAGE.name or module.PAGE.path == known.PAGE.path for known in modules):
            leave_out(f"the page {name}", f": there is a page {module.PAGE.path} already.")
        else:
            modules.append(module)
    return tuple(sorted(modules, key=lambda module: module.PAGE.order))


def is_ours(module: PageModule) -> bool:
    """Whether it comes with Headscope: where ours fails, the app does."""
    return getattr(module, "__name__", "") in PAGES


def _is_page(module: Any) -> bool:
    functions = (getattr(module, name, None) for name in ("layout", "register"))
    return isinstance(getattr(module, "PAGE", None), Page) and all(map(callable, functions))
