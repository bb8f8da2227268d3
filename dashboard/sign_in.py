"""Who may look when the server has a token: programs send it as a bearer, people type it once and get a cookie.

Without `Settings.token` none of this is there. The cookie is Flask's signed one: it says only that this browser has
shown the token, scripts cannot read it, other sites cannot send it, and it ends with the server or after half a day.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, Response, make_response, redirect, render_template_string, request, session
from werkzeug.wrappers import Response as AnyResponse

from headscope.dashboard import links
from headscope.dashboard.security import SAFE_METHODS, bears_token, error_json, wants_json
from headscope.dashboard.settings import Settings

OPEN = frozenset({links.SIGN_IN, links.HEALTH, links.OWNER})
"""The last proves the server, and tells nothing without its token."""
OPEN_FOLDER = "/assets/"  # styles and scripts of the program, the same for everybody
COOKIE = "headscope_session"
LASTS = timedelta(hours=12)
SIGNED_IN = "signed_in"
MOST_FAILURES, WINDOW_SECONDS, MOST_ADDRESSES = 10, 60.0, 4096

PAGE = """<!DOCTYPE html>
<html lang="en" data-bs-theme="light">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Sign in · {{ title }}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
    <script src="/assets/boot.js"></script>
    <link rel="stylesheet" href="/assets/00_vendor/bootstrap.min.css">
    <link rel="stylesheet" href="/assets/00_vendor/fonts.css">
    <link rel="stylesheet" href="/assets/50_base/app.css">
    <link rel="stylesheet" href="/assets/60_parts/components/components.css">
  </head>
  <body>
    <main style="max-width: 380px; margin: 15vh auto 0; padding: 0 16px">
      <form class="hs-card" method="post" action="/sign-in" style="padding: 22px; gap: 14px">
        <h1>{{ title }}</h1>
        <label for="token">The server's token</label>
        <input class="hs-field" id="token" name="token" type="password" required autofocus
          autocomplete="current-password"{% if message %} aria-describedby="message" aria-invalid="true"{% endif %}>
        <input type="hidden" name="next" value="{{ next }}">
        {% if message %}<p id="message" role="alert" style="color: var(--hs-bad)">{{ message }}</p>{% endif %}
        <button class="hs-button hs-button-primary" type="submit" style="justify-content: center">Sign in</button>
        <p class="hs-muted">Whoever started the server has the token. This browser is remembered for twelve hours.</p>
      </form>
    </main>
  </body>
</html>
"""


class Throttle:
    """Wrong tokens by address: ten a minute, then the address waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._failures: dict[str, deque[float]] = {}

    def wait(self, address: str) -> float:
        """Seconds until the address may try again; 0 when it may now."""
        with self._lock:
            failures, now = self._failures.get(address, deque()), self._clock()
            while failures and failures[0] <= now - WINDOW_SECONDS:
                failures.popleft()
            return failures[0] + WINDOW_SECONDS - now if len(failures) >= MOST_FAILURES else 0.0

    def failed(self, address: str) -> None:
        """Remember a wrong token; of very many addresses the one that was seen first is forgotten."""
        with self._lock:
            if address not in self._failures and len(self._failures) >= MOST_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            self._failures.setdefault(address, deque(maxlen=MOST_FAILURES)).append(self._clock())


def register(server: Flask, settings: Settings, throttle: Throttle | None = None) -> None:
    """Add the page, where the server has a token."""
    if not settings.token:
        return
    server.config.update(
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LASTS,
    )
    attempts = throttle or Throttle()

    @server.get(links.SIGN_IN)
    def ask() -> Response:
        return _page(settings, "", request.args.get("next", ""))

    @server.post(links.SIGN_IN)
    def answer() -> AnyResponse:
        address, wanted = request.remote_addr or "", request.form.get("next", "")
        if wait := attempts.wait(address):
            page = _page(settings, f"Too many wrong tokens: wait {wait:.0f} seconds and try again.", wanted, 429)
            page.headers["Retry-After"] = f"{wait:.0f}"
            return page
        if not settings.accepts_token(request.form.get("token", "").strip()):
            attempts.failed(address)
            return _page(settings, "This is not the server's token.", wanted, 403)
        session.clear()
        session.permanent = True
        session[SIGNED_IN] = True
        return redirect(local(wanted), 303)


def demand(settings: Settings) -> AnyResponse | tuple[dict[str, str], int] | None:
    """What the current request gets instead of an answer, None when it may have one."""
    path = request.path
    if not settings.token or path in OPEN or (path.startswith(OPEN_FOLDER) and request.method in SAFE_METHODS):
        return None
    if bears_token(settings) or session.get(SIGNED_IN):
        return None
    if wants_json() or path.startswith("/_dash") or request.method not in SAFE_METHODS:
        return error_json(
            f"this server asks for its token: sign in at {links.SIGN_IN}, or send it as a bearer token.", 401
        )
    wanted = request.full_path.rstrip("?")
    return redirect(links.sign_in(wanted), 303)


def local(wanted: str) -> str:
    """The page to go on to: `wanted` when it is a path of this server, else the first page."""
    plain = wanted.startswith("/") and wanted.isprintable() and "\\" not in wanted and not wanted.startswith("//")
    parts = urlsplit(wanted) if plain else None
    return wanted if parts is not None and not parts.scheme and not parts.netloc else "/"


def _page(settings: Settings, message: str, wanted: str, status: int = 200) -> Response:
    text = render_template_string(PAGE, title=settings.title, message=message, next=local(wanted))
    response = make_response(text, status)
    response.headers["Referrer-Policy"] = "same-origin"  # under no-referrer a form's Origin is null, like a stranger's
    response.headers["Cache-Control"] = "no-store"
    return response
