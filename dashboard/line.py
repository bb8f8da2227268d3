"""Waiting without being in the way: slots for requests that are being answered, and the line before the engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headscope.analysis.errors import HeadscopeError


class Superseded(Exception):  # noqa: N818 - the ordinary course of typing, not a fault
    """A newer request of the same client arrived while this one waited."""


class Busy(HeadscopeError):  # noqa: N818 - a state, not a fault
    """The line is full."""


class Slots:
    """So many requests are answered at once; one that only waits for the engine steps aside meanwhile."""

    def __init__(self, size: int) -> None:
        self._free = threading.BoundedSemaphore(size)
        self._mine = threading.local()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for a slot of this thread's own."""
        self._free.acquire()
        self._mine.held = True
        try:
            yield
        finally:
            self._mine.held = False
            self._free.release()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Give the slot to others within the block; a thread without one just goes on."""
        held = getattr(self._mine, "held", False)
        if held:
            self._free.release()
        try:
            yield
        finally:
            if held:
                self._free.acquire()


class Line:
    """The engine serves one request at a time, in the order they came; at most `limit` wait. Of one client's requests
    only the newest is worth waiting for: an older one leaves the line, wherever it stands."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._newest: dict[str, int] = {}
        self._waiting: list[object] = []
        self._busy = False

    @contextmanager
    def turn(self, client: str = "", sequence: int = 0) -> Iterator[None]:
        """Wait for the turn of `client` ("": nobody's newer or older). Raises Superseded when a higher sequence number
        of that client has arrived, Busy when too many wait already."""
        ticket = object()
        with self._changed:
            if len(self._waiting) >= self._limit:
                raise Busy(
                    f"{self._limit} requests wait for the model already: try again when it is less busy, or use "
                    "`headscope run` for many prompts."
                )
            self._enter(client, sequence, ticket)
            try:
                self._changed.wait_for(lambda: self._newer(client, sequence) or self._is_next(ticket))
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
            if self._newer(client, sequence):
                raise Superseded
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                if not self._newer(client, sequence):
                    self._newest.pop(client, None)
                self._changed.notify_all()

    def _enter(self, client: str, sequence: int, ticket: object) -> None:
        if client:
            self._newest[client] = max(sequence, self._newest.get(client, sequence))
        self._waiting.append(ticket)
        self._changed.notify_all()

    def _is_next(self, ticket: object) -> bool:
        return not self._busy and self._waiting[0] is ticket

    def _newer(self, client: str, sequence: int) -> bool:
        return self._newest.get(client, sequence) > sequence
