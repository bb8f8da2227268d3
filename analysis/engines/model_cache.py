"""Loaded models, kept while there is room. Used by the worker only: it loads torch through the backend."""

from __future__ import annotations

import threading
from collections import OrderedDict

import psutil

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.models import sources

_Key = tuple[str, str, str, int]


class ModelCache:
    """Least recently used first out, bounded by count and by bytes of weights (default: half of the machine's memory).

    A model larger than the bound is loaded all the same, alone: the check of free memory is the backend's. Any other
    device than the CPU holds one model at a time.
    """

    def __init__(self, max_models: int = 3, max_bytes: int | None = None) -> None:
        self._max_models = max_models
        self._max_bytes = psutil.virtual_memory().total // 2 if max_bytes is None else max_bytes
        self._loaded: OrderedDict[_Key, HFCausalBackend] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, dtype: str = "float32", device: str = "cpu") -> HFCausalBackend:
        """The loaded model; a folder whose weights changed on disk is loaded again. Raises BackendError."""
        with self._lock:
            resolved = sources.resolve(name)
            newest = max(file.stat().st_mtime_ns for file in resolved.path.glob("*.safetensors"))
            key = (str(resolved.path), dtype, device, newest)
            if key not in self._loaded:
                self._make_room(sources.memory_needed(resolved.path, dtype), device)
                self._loaded[key] = HFCausalBackend.load(name, dtype, device)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def __len__(self) -> int:
        return len(self._loaded)

    def _make_room(self, needed: int, device: str) -> None:
        if device != "cpu":
            self._loaded = OrderedDict((key, kept) for key, kept in self._loaded.items() if key[2] != device)
        while self._loaded and (len(self._loaded) >= self._max_models or self._held() + needed > self._max_bytes):
            self._loaded.popitem(last=False)

    def _held(self) -> int:
        return sum(backend.n_bytes for backend in self._loaded.values())
