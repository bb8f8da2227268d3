"""How the dashboard is served."""

from __future__ import annotations

from dataclasses import dataclass

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about serving that is not the store or the engine.

    `allowed_hosts` are further names a browser may use in the Host header; on loopback the loopback names always work.
    When `host` is any other address and `allowed_hosts` is empty, every Host is accepted. `api_token` guards the API
    that other programs use; `secret_key` signs cookies, and an empty one is replaced by a random one at start.
    """

    title: str = "Headscope"
    host: str = "127.0.0.1"
    port: int = 8050
    allowed_hosts: tuple[str, ...] = ()
    recent: int = 8
    max_request_bytes: int = 16 * 2**20
    max_export_rows: int = 1_000_000
    api_token: str = ""
    secret_key: str = ""

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect."""
        return self.host in LOOPBACK

    def accepts_host(self, name: str) -> bool:
        """Whether a request may name this host (without port) in its Host header."""
        if name in self.allowed_hosts or (self.is_loopback and name in LOOPBACK):
            return True
        return not self.is_loopback and not self.allowed_hosts
