"""Counts are costly over a million rows and asked for on every page: kept per filter until the runs change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast
from weakref import WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headscope.storage.schema import jobs

T = TypeVar("T")


def version(connection: Connection) -> int:
    """Which state of the runs this connection sees: every transaction that changes runs counts up its job's `writes`,
    so the sum is right for other processes' commits too, and nobody waits for a shared counter."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(jobs.c.writes), 0))).scalar_one())


class Counts:
    """A bounded cache of counts; one that belongs to another version is counted again. Who asks for what is being
    counted waits for that: the cards of a page ask together."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._asked: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()
        self._kept: OrderedDict[Hashable, tuple[Hashable, object]] = OrderedDict()

    def get(self, key: Hashable, version: Hashable, count: Callable[[], T]) -> T:
        """The kept value for this key and version, else `count()`: once, whoever asks at once waits for it."""
        with self._lock:
            asked = self._asked.setdefault(key, threading.Lock())
        with asked:
            with self._lock:
                found = self._kept.get(key)
                if found is not None and found[0] == version:
                    self._kept.move_to_end(key)
                    return cast(T, found[1])
            value = count()
            self.put(key, version, value)
            return value

    def has(self, key: Hashable, version: Hashable) -> bool:
        """Whether `get` would answer at once."""
        with self._lock:
            found = self._kept.get(key)
            return found is not None and found[0] == version

    def kept(self, key: Hashable, version: Hashable, kind: type[T]) -> T | None:
        """The kept value for this key and version, if there is one of this kind."""
        with self._lock:
            found = self._kept.get(key)
            return found[1] if found is not None and found[0] == version and isinstance(found[1], kind) else None

    def put(self, key: Hashable, version: Hashable, value: object) -> None:
        """Keep a value, instead of the one used longest ago when there are too many."""
        with self._lock:
            self._kept[key] = (version, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
