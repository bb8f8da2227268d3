"""What the cards of a comparison read: runs, their attention, and what is worked out once per pair."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from headscope.dashboard.attention_cache import AttentionCache, attention_artifact
from headscope.dashboard.pages.compare.numbers import Floats, attention_changes
from headscope.dashboard.pages.compare.pair import Pair, aligned
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Offences, RunDetail

K = TypeVar("K")
V = TypeVar("V")
KEPT_SECONDS = 5.0
KEPT_PAIRS = 64


class RecentRuns:
    """Runs of a store as just read: the cards of one page ask for the same two runs at the same moment. Attention and
    the change of every head stay longer: a choice of another head asks for them again."""

    def __init__(self, store: RunReader, attention: AttentionCache | None = None) -> None:
        self.store = store
        self._attention = attention or AttentionCache(store)
        self._lock, self._changing = threading.Lock(), threading.Lock()
        self._kept: dict[str, tuple[float, RunDetail]] = {}
        self._offences: dict[tuple[str, ...], tuple[float, Offences]] = {}
        self._changes: OrderedDict[tuple[str, ...], Floats] = OrderedDict()

    def pair(self, query: CompareQuery) -> Pair | None:
        """Both runs, None while one is not chosen. Raises UnknownNameError for an id that is not in the store."""
        return Pair(*self.runs([query.a, query.b])) if query.a and query.b else None

    def many(self, query: CompareQuery) -> tuple[RunDetail, ...]:
        """A, B and the further runs that the store has; empty while A or B is not chosen. Raises UnknownNameError."""
        if (pair := self.pair(query)) is None:
            return ()
        return (pair.a, pair.b, *self._of(query.further).values())

    def runs(self, run_ids: Sequence[str]) -> list[RunDetail]:
        """At most `KEPT_SECONDS` old, so that a run still being made shows up when the page is loaded again. Raises
        UnknownNameError for an id that is not in the store."""
        found = self._of(run_ids)
        return [found.get(run_id) or self.store.run(run_id) for run_id in run_ids]

    def _of(self, run_ids: Sequence[str]) -> dict[str, RunDetail]:
        """Those that are in the store, read at once, without receipts, which no card shows; whoever asks meanwhile
        waits for them."""
        with self._lock:
            now = time.monotonic()
            self._kept = _fresh(self._kept, now)
            lacking = [run_id for run_id in run_ids if run_id not in self._kept]
            found = self.store.details(lacking, evidence=False) if lacking else ()
            self._kept |= {run.row.id: (now, run) for run in found}
            return {run_id: self._kept[run_id][1] for run_id in run_ids if run_id in self._kept}

    def offences(self, query: CompareQuery) -> Offences:
        """What of these runs is offensive, at most `KEPT_SECONDS` old: every card asks."""
        ids = tuple(id_ for id_ in (query.a, query.b, *query.further) if id_)
        with self._lock:
            now = time.monotonic()
            self._offences = _fresh(self._offences, now)
            if ids not in self._offences:
                self._offences[ids] = (now, self.store.offensive(ids))
            return self._offences[ids][1]

    def attention(self, run: RunDetail) -> NDArray[np.float16] | None:
        """float16 `[layer, head, query, key]`, None when the run kept none. Raises StorageError: its file is gone."""
        artifact = attention_artifact(run)
        return None if artifact is None else self._attention.get(run.row.id, artifact)

    def changes(self, pair: Pair) -> Floats | None:
        """float64 `[layer, head]`: how much of its attention every head moved from A to B (`attention_change`), worked
        out once per pair. None without attention on both sides, or for models of two shapes."""
        data, files = aligned(pair), [attention_artifact(run) for run in (pair.a, pair.b)]
        if data is None or not pair.same_shape or None in files:
            return None
        key = (pair.a.row.id, pair.b.row.id, *(file.sha256 for file in files if file is not None))
        with self._changing:  # keys pressed in haste wait for the one answer
            if key not in self._changes:
                a, b = self.attention(pair.a), self.attention(pair.b)
                if a is None or b is None:
                    return None
                self._changes[key] = attention_changes(a, b, data.ranges_a, data.ranges_b)
            self._changes.move_to_end(key)
            while len(self._changes) > KEPT_PAIRS:
                self._changes.popitem(last=False)
            return self._changes[key]


def _fresh(kept: dict[K, tuple[float, V]], now: float) -> dict[K, tuple[float, V]]:
    return {key: item for key, item in kept.items() if now - item[0] < KEPT_SECONDS}
