"""Who may compute next: of one client's requests only the newest is worth waiting for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Superseded(Exception):  # noqa: N818 - the ordinary course of typing, not a fault
    """A newer request of the same client arrived while this one waited."""


class NewestFirst:
    """One request of a client computes, one waits; a newer one sends the waiting one away. Clients do not affect each
    other here (the engine itself serves them one after the other)."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: dict[str, int] = {}
        self._busy: set[str] = set()

    @contextmanager
    def turn(self, client: str, sequence: int) -> Iterator[None]:
        """Wait for the client's turn. Raises Superseded when a higher sequence number has arrived."""
        with self._changed:
            self._newest[client] = max(sequence, self._newest.get(client, sequence))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._newer(client, sequence) or client not in self._busy)
            if self._newer(client, sequence):
                raise Superseded
            self._busy.add(client)
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(client)
                if not self._newer(client, sequence):
                    self._newest.pop(client, None)
                self._changed.notify_all()

    def _newer(self, client: str, sequence: int) -> bool:
        return self._newest.get(client, sequence) > sequence
