"""Answers kept for a short while, worked out once however many ask: the cards of a page are asked for together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
SECONDS = 20.0
"""So that runs still being made show up."""
MOST = 4


class Kept(Generic[K, V]):
    """What `make` says of the last `MOST` keys, each at most `SECONDS` old. Who asks for what is being made waits for
    that; errors are raised to all who wait, and not kept. Safe for many threads."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._known: dict[K, tuple[float, Future[V]]] = {}

    def get(self, key: K) -> V:
        """Raises what `make` does."""
        with self._lock:
            now = time.monotonic()
            fresh = {k: v for k, v in self._known.items() if not v[1].done() or now - v[0] < SECONDS}
            self._known = dict(list(fresh.items())[-MOST:])
            if known := self._known.get(key):
                answer, first = known[1], False
            else:
                answer, first = Future[V](), True
                self._known[key] = now, answer
        if first:
            self._answer(key, answer)
        return answer.result()

    def _answer(self, key: K, answer: Future[V]) -> None:
        try:
            made = self._make(key)
        except BaseException as error:  # also what ends this thread: others wait for it
            with self._lock:
                self._known.pop(key, None)
            answer.set_exception(error)
            return
        with self._lock:
            if key in self._known:
                self._known[key] = time.monotonic(), answer
        answer.set_result(made)
