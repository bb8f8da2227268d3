"""How requests come in: whole, within a time limit, and before they take a place from others.

gunicorn gives every connection a thread. A client that never finishes its request must not keep one for ever, and any
number of such clients must not keep all: reading is done by threads of its own number, with a deadline, and only a
request that has arrived takes one of the slots in which pages are answered.
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from headscope.dashboard.line import Slots

READ_SECONDS = 60.0
IDLE_SECONDS = 10.0
SEND_SECONDS = 120.0
THREADS = 128
READERS = 64
"""At most so many requests are being read at once; the other threads are there for those that have arrived."""
PIECE = 2**16
IN_MEMORY = 2**20

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class DeadlineSocket(socket.socket):
    """Everything read for one request shares `READ_SECONDS`, no pause is longer than `IDLE_SECONDS`; after that the
    client counts as gone. A reader of answers has `SEND_SECONDS` for each piece."""

    _deadline = 0.0

    def setblocking(self, flag: bool) -> None:
        """Called by gunicorn with True when a request begins."""
        super().setblocking(flag)
        self._deadline = time.monotonic() + READ_SECONDS

    def recv(self, *arguments: Any) -> bytes:
        """As `socket.recv`, but empty once the time is up."""
        left = min(self._deadline - time.monotonic(), IDLE_SECONDS)
        if left <= 0:
            return b""
        self.settimeout(left)
        try:
            return super().recv(*arguments)
        except TimeoutError:
            return b""

    def sendall(self, *arguments: Any) -> None:
        """As `socket.sendall`, but a client that takes nothing is given up."""
        self.settimeout(SEND_SECONDS)
        super().sendall(*arguments)


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads over sockets with deadlines."""

    def enqueue_req(self, conn: Any) -> None:
        """Called by gunicorn for every connection with something to read."""
        if not isinstance(conn.sock, DeadlineSocket):
            conn.sock = DeadlineSocket(fileno=conn.sock.detach())
        super().enqueue_req(conn)


class Intake:
    """WSGI middleware: reads the body, then waits for one of `slots`, then asks `app`.

    A body longer than `most` bytes is not read: the app refuses it by its length.
    """

    def __init__(self, app: App, slots: Slots, most: int, readers: int = READERS) -> None:
        self._app, self._slots, self._most = app, slots, most
        self._readers = threading.BoundedSemaphore(readers)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        length = environ.get("CONTENT_LENGTH") or ""
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if chunked or (length.isdigit() and 0 < int(length) <= self._most):
            if not self._readers.acquire(blocking=False):
                return _refuse(start_response, "503 Service Unavailable", "too many requests are arriving: try again.")
            try:
                whole = self._read(environ, self._most + 1 if chunked else int(length))
            finally:
                self._readers.release()
            if not whole:
                return _refuse(
                    start_response, "408 Request Timeout",
                    f"the request's body did not arrive: it must come within {READ_SECONDS:.0f} s, without a pause of "
                    f"{IDLE_SECONDS:.0f} s.",
                )  # fmt: skip
        with self._slots.hold():
            return self._app(environ, start_response)

    def _read(self, environ: dict[str, Any], length: int) -> bool:
        """Put the body where the app looks for it; False when the client stopped sending."""
        source = environ["wsgi.input"]
        body = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the app reads it
        left = length
        while left and (piece := source.read(min(left, PIECE))):
            body.write(piece)
            left -= len(piece)
        body.seek(0)
        environ["wsgi.input"] = body
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            environ["CONTENT_LENGTH"] = str(length - left)
            return True
        return left == 0


def _refuse(start_response: Callable[..., Any], status: str, message: str) -> Iterable[bytes]:
    body = json.dumps({"error": message}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
    start_response(status, headers)
    return [body]
