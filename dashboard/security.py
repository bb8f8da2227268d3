"""What every response carries and what every request must show. No page or API module needs to think of it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from headscope.dashboard.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API_PREFIX = "/api/"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def content_security_policy(script_hashes: Sequence[str]) -> str:
    """Scripts only from this server and the given hashes; styles may be inline (Plotly and AG Grid write them)."""
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {' '.join(script_hashes)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ]
    )


Demand = Callable[[Settings], ResponseReturnValue | None]


def protect(server: Flask, settings: Settings, script_hashes: Sequence[str], demand: Demand) -> None:
    """Install the checks and headers. Call it after every clientside callback: their hashes are part of the policy.

    `demand` (see `headscope.dashboard.sign_in`) answers requests that may come in but not see anything yet.
    """
    policy = content_security_policy(script_hashes)

    @server.before_request
    def check() -> ResponseReturnValue | None:
        reason = refusal(settings)
        return error_json(reason, 403) if reason else demand(settings)

    @server.after_request
    def add_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def refusal(settings: Settings) -> str:
    """Why the current request is refused, "" when it is not.

    The Host check stops DNS rebinding (a web site whose name is made to point at this machine). The origin check stops
    other sites from posting: browsers always say where an unsafe request comes from, programs that say nothing are no
    browser. Whoever has a token of this server may come from anywhere.
    """
    host = _address(f"//{request.host}").hostname or ""
    if not settings.accepts_host(host):
        return f"this server does not answer to the host name {host!r}: open it by its own address, or allow the name."
    if request.method in SAFE_METHODS or bears_token(settings):
        return ""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    foreign = site != "same-origin" if site else origin is not None and _address(origin).netloc != request.host
    return "this request came from another web site and was refused." if foreign else ""


def _address(text: str) -> SplitResult:
    """The parts of an address, all empty for what is none, like `http://[`."""
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")


def bears_token(settings: Settings) -> bool:
    """Whether the current request carries one of the server's tokens."""
    return settings.accepts_token(_bearer())


def is_handed_over(settings: Settings) -> bool:
    """Whether it carries the token of the note beside the store, which only the owner of the file can read."""
    return bool(settings.api_token) and hmac.compare_digest(_bearer().encode(), settings.api_token.encode())


def _bearer() -> str:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given if scheme == "Bearer" else ""


def wants_json() -> bool:
    """True for API paths, where errors are JSON."""
    return request.path.startswith(API_PREFIX)


def error_json(message: str, status: int) -> tuple[dict[str, str], int]:
    """An API error: `{"error": message}`."""
    return {"error": message}, status
