"""Loaded models, kept while there is room. Used by the worker only: it loads torch through the backend."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import psutil

from headscope.analysis.errors import NotApplicable
from headscope.analysis.interfaces import LoadsFolders, WhiteBoxBackend
from headscope.analysis.models import sources
from headscope.analysis.registry import BACKENDS
from headscope.analysis.types import ModelRef

_Key = tuple[str, str, str, str, int]


class ModelCache:
    """Least recently used first out, bounded by count and by bytes of weights (default: half of the machine's memory).

    A model larger than the bound is loaded all the same, alone: the check of free memory is the backend's. Any other
    device than the CPU holds one model at a time.
    """

    def __init__(self, max_models: int = 3, max_bytes: int | None = None) -> None:
        self._max_models = max_models
        self._max_bytes = psutil.virtual_memory().total // 2 if max_bytes is None else max_bytes
        self._loaded: OrderedDict[_Key, WhiteBoxBackend] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, model: ModelRef, device: str = "cpu") -> WhiteBoxBackend:
        """The loaded model; a folder whose weights changed on disk is loaded again. Raises BackendError, and what
        `loader` does."""
        with self._lock:
            load, resolved = loader(model.backend), sources.resolve(model.name)
            newest = max(file.stat().st_mtime_ns for file in resolved.path.glob("*.safetensors"))
            key = (model.backend, str(resolved.path), model.dtype, device, newest)
            if key not in self._loaded:
                self._make_room(sources.memory_needed(resolved.path, model.dtype), device)
                self._loaded[key] = load(model.name, model.dtype, device)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def __len__(self) -> int:
        return len(self._loaded)

    def _make_room(self, needed: int, device: str) -> None:
        if device != "cpu":
            self._loaded = OrderedDict((key, kept) for key, kept in self._loaded.items() if key[3] != device)
        while self._loaded and (len(self._loaded) >= self._max_models or self._held() + needed > self._max_bytes):
            self._loaded.popitem(last=False)

    def _held(self) -> int:
        return sum(backend.n_bytes for backend in self._loaded.values())


def loader(backend: str) -> Callable[[str, str, str], WhiteBoxBackend]:
    """What loads a model of a backend. Raises UnknownNameError, and NotApplicable for one that is not loaded here."""
    found = BACKENDS.find(backend)
    if found.remote:
        raise NotApplicable(f"{found.label} ({backend}) is asked, not loaded: use `headscope blackbox`.")
    loads: LoadsFolders = found.load()
    return loads.load
