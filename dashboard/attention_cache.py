"""Decoded attention, kept for whoever draws it next: a long prompt's tensor is a hundred megabytes to unpack."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from headscope.storage.interfaces import RunReader
from headscope.storage.rows import ArtifactRow, RunDetail


def attention_artifact(run: RunDetail) -> ArtifactRow | None:
    """What the store keeps of the run's attention, None when it kept none."""
    return next((item for item in run.artifacts if item.kind == "attention"), None)


class AttentionCache:
    """The last few decoded attention tensors, bounded by their bytes; safe for many threads."""

    def __init__(self, store: RunReader, budget: int = 256 * 2**20) -> None:
        self._store, self._budget = store, budget
        self._lock = threading.Lock()
        self._items: OrderedDict[str, NDArray[np.float16]] = OrderedDict()

    def get(self, run_id: str, artifact: ArtifactRow) -> NDArray[np.float16] | None:
        """float16 `[layer, head, query, key]`, by content: the same tensor of two runs is read once. None when it has
        just been deleted; raises StorageError when its file is lost or damaged."""
        with self._lock:
            if artifact.sha256 in self._items:
                self._items.move_to_end(artifact.sha256)
                return self._items[artifact.sha256]
        weights = self._store.attention(run_id)
        if weights is None:
            return None
        with self._lock:
            self._items[artifact.sha256] = weights
            while len(self._items) > 1 and sum(item.nbytes for item in self._items.values()) > self._budget:
                self._items.popitem(last=False)
        return weights
