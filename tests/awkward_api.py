"""A real HTTP server that misbehaves as it is told, in the place of an API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OK = {"choices": [{"text": " yes"}], "usage": {"total_tokens": 5}}
Reply = tuple[int, Any, dict[str, str]]


class Awkward(ThreadingHTTPServer):
    """Answers each call with the next of `script`: (status, body, headers), or with status 0 the body as all that is
    sent; then with `otherwise`."""

    def __init__(self) -> None:
        self.script: list[Reply] = []
        self.otherwise: Reply = (200, OK, {})
        self.seen: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Awkward

    def do_POST(self) -> None:
        self.server.seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.keys.append(self.headers.get("Authorization"))
        status, body, headers = self.server.script.pop(0) if self.server.script else self.server.otherwise
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if not status:
            self.wfile.write(content)
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Awkward]:
    """The server, while the block runs."""
    with Awkward() as made:
        threading.Thread(
            target=made.serve_forever, args=(0.01,), daemon=True
        ).start()  # asked to stop, it looks so often
        yield made
        made.shutdown()
