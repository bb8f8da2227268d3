"""A real browser on a real server over a real store. Skipped, saying why, where there is no Chromium.

`app_server` is the address of an app over the runs of `seed.fill`, `empty_server` of one over an empty store. `page` is
a fresh page; after each test it fails it on any script error, console error or request that leaves this machine. A load
is a second of work: one flow is one test, in one theme (half of them in the dark one; test_widths.py shows every page
in both), and goes on by `visit` where the load is not what is tested. The page's own policy forbids eval, so wait with
`expect(...)`, not with `wait_for_function("a string")`.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

import flask
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, ViewportSize, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from headscope.analysis.engines.inline import InlineEngine
from headscope.dashboard.app import create_app
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunDetail
from headscope.storage.sinks import FindingSink
from tests.browser import seed
from tests.browser.install import find
from tests.browser.run_page import first_run
from tests.dawdle import Dawdle

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    # Two test processes share two cores: what V8 does beside the page costs more than it saves, a tenth of a page load.
    "--js-flags=--single-threaded-gc --no-concurrent-recompilation",
    "--host-resolver-rules=MAP elsewhere.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
ELSEWHERE = "elsewhere.test"
"""This machine under a name that browsers do not know for it: to them a plain, untrustworthy origin."""
LOCAL = ("http://127.0.0.1:", f"http://{ELSEWHERE}:", "data:", "blob:")
HERE = Path(__file__).parent
PATIENCE_MS = 120_000  # a guard against hanging, not a limit: a busy machine is slow, not broken

THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SPOILT = pytest.StashKey[bool]()
DAWDLE = Dawdle()

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI alone a browser test has a second try, in a fresh context; tests/conftest.py prints it as FLAKY."""
    if not os.environ.get("HEADSCOPE_SECOND_TRY"):
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


class Quiet(WSGIRequestHandler):
    """A line per request says nothing in a test's report."""

    def log_request(self, *args: object) -> None:
        """Nothing."""


def _dawdle() -> None:
    """With HEADSCOPE_SLOW_CALLBACKS=0.6 each callback answers up to so many seconds late, as on a busy machine: a test
    that acts on what stood there before its answer fails then, at times (tests/dawdle.py)."""
    if flask.request.path == "/_dash-update-component":
        asked = flask.request.get_json(silent=True)
        time.sleep(DAWDLE.seconds(str(asked.get("output")) if isinstance(asked, dict) else ""))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The delays of a test are its own."""
    DAWDLE.begin(item.nodeid)


@contextmanager
def serving(services: Services) -> Iterator[str]:
    """Serve an app from a thread; yields its address."""
    app = create_app(services).server
    app.before_request(_dawdle)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)


@contextmanager
def computing(store: Store, findings: FindingSink | None = None) -> Iterator[str]:
    """Serve an app that can also compute, in this process; yields its address."""
    with ExitStack() as stack:
        engine = InlineEngine()
        stack.callback(engine.close)
        jobs = JobQueue(engine, store)
        stack.callback(jobs.close)
        yield stack.enter_context(serving(Services(store, ServerEngine(engine, jobs), Settings(), findings)))


@pytest.fixture(scope="session")
def seeded_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store behind `app_server`."""
    os.environ["HEADSCOPE_MODEL_DIR"] = str(seed.build_models(tmp_path_factory.mktemp("models")))
    with Store.open(str(tmp_path_factory.mktemp("browser") / "seeded.duckdb")) as store:
        seed.fill(store)
        yield store


@pytest.fixture(scope="session")
def whole(seeded_store: Store) -> RunDetail:
    """A run with everything."""
    return first_run(seeded_store, Condition("experiment", "eq", "first"), Condition("status", "eq", "succeeded"))


@pytest.fixture(scope="session")
def app_server(seeded_store: Store) -> Iterator[str]:
    """Address of an app that can also compute (in this process)."""
    with computing(seeded_store, findings=seeded_store) as url:
        yield url


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an app over an empty store, without an engine."""
    with Store.open(str(tmp_path_factory.mktemp("browser") / "empty.duckdb")) as store, serving(Services(store)) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session."""
    path = find()
    if path is None:
        pytest.skip("no Chromium on this machine: tests/browser/install.py says how to get one")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


OpenPage = Callable[..., Page]


class Tabs:
    """Pages that tests take in turn: each test loads its document anew, but scripts stay compiled, at half the work."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str | None, list[Page]] = {}

    def take(self, theme: str, width: int, height: int, zone: str | None) -> Page:
        """A page nobody has, as wide and as dark as asked, in a time zone."""
        free = self._free.setdefault(zone, [])
        page = free.pop() if free else self._new(zone)
        page.set_viewport_size(ViewportSize(width=width, height=height))
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
        return page

    def leave(self, page: Page, zone: str | None) -> None:
        """Empty what a test may have left behind, for the next."""
        for other in page.context.pages:
            if other is not page:
                other.close()
        page.unroute_all(behavior="ignoreErrors")
        page.context.clear_permissions()
        page.context.clear_cookies()
        try:  # not about:blank, which is of no site: the browser would take another process, and compile all again
            page.goto(f"{urljoin(page.url, '/')}assets/favicon.svg")
            page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        except Error:  # its server is gone
            page.context.close()
        else:
            self._free[zone].append(page)

    def _new(self, zone: str | None) -> Page:
        page = self._browser.new_context(accept_downloads=True, timezone_id=zone).new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """The page of a test that failed is not for others."""
    report = yield
    if report.failed:
        item.stash[SPOILT] = True
    return report


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Tabs:
    """The pages of the session."""
    return Tabs(browser)


@pytest.fixture
def open_page(tabs: Tabs, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """`open_page(theme="light", width=1440)`: a guarded page nobody else has.

    What changes every later document (a clock, an init script) cannot be taken back: such a test is marked `own_page`.
    """
    problems: list[str] = []

    def on_request(request: Request) -> None:
        if not request.url.startswith(LOCAL):
            problems.append(f"left this machine: {request.url}")

    def on_error(error: Error) -> None:
        problems.append(f"script: {error}")

    def give_back(page: Page, zone: str | None, on_console: Callable[[ConsoleMessage], None]) -> None:
        page.remove_listener("request", on_request)
        page.remove_listener("console", on_console)
        page.remove_listener("pageerror", on_error)
        if page.is_closed() or SPOILT in request.node.stash or request.node.get_closest_marker("own_page"):
            page.context.close()
        else:
            tabs.leave(page, zone)

    with ExitStack() as stack:

        def opened(
            theme: str = "light", width: int = 1440, height: int = 900, expected: str = "", zone: str | None = None
        ) -> Page:
            """`expected`: a pattern of console errors the test provokes. `zone`: the viewer's, else this machine's."""

            def on_console(message: ConsoleMessage) -> None:
                if message.type == "error" and not (expected and re.search(expected, message.text)):
                    problems.append(f"console: {message.text}")

            page = tabs.take(theme, width, height, zone)
            page.on("request", on_request)
            page.on("console", on_console)
            page.on("pageerror", on_error)
            stack.callback(give_back, page, zone, on_console)
            return page

        yield opened
    assert problems == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A guarded light page, 1440 px wide."""
    return open_page()
