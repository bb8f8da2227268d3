"""How the dashboard is served."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

NO_MODEL = "none"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about serving that is not the store or the engine.

    `allowed_hosts` are names a browser may use in the Host header; on loopback the loopback names always work. With a
    `token` every request needs it (`headscope.dashboard.sign_in`). `api_token` is the one of the note beside a DuckDB
    file, made at start: what the API for programs asks for. `secret_key` signs cookies, and an empty one is replaced by
    a random one at start. `live_model` is what the Live page begins with and what is loaded at start: "" for the first
    model that is here, `NO_MODEL` to load nothing before it is asked for.
    """

    title: str = "Headscope"
    live_model: str = ""
    host: str = "127.0.0.1"
    port: int = 8050
    allowed_hosts: tuple[str, ...] = ()
    recent: int = 8
    max_request_bytes: int = 16 * 2**20
    max_export_rows: int = 1_000_000
    token: str = field(default="", repr=False)
    api_token: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect."""
        return self.host in LOOPBACK

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where the server is found."""
        return f"http://{self.address}"

    def accepts_host(self, name: str) -> bool:
        """Whether a request may name this host (without port) in its Host header."""
        return name in self.allowed_hosts or (self.is_loopback and name in LOOPBACK)

    def accepts_token(self, given: str) -> bool:
        """Whether this is one of the server's tokens, compared in constant time."""
        known = [token.encode() for token in (self.token, self.api_token) if token]
        return any(hmac.compare_digest(given.encode(), token) for token in known)
