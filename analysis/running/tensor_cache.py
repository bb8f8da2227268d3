"""Arrays kept on disk between requests and restarts, the least recently used thrown away first."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from headscope.analysis.errors import InputError

SUFFIX = ".safetensors"
VARIABLE = "HEADSCOPE_TENSOR_CACHE_MB"
DEFAULT_MB = 256


def tensor_cache_bytes() -> int:
    """How much the cache of this machine's user may hold: HEADSCOPE_TENSOR_CACHE_MB, 256 without it.

    Raises InputError for what is no number of megabytes.
    """
    text = os.environ.get(VARIABLE, str(DEFAULT_MB))
    if not text.isdecimal():
        raise InputError(f"{VARIABLE} must be a number of megabytes, 0 for no cache, not {text!r}.")
    return int(text) * 1_000_000


class TensorCache:
    """Named arrays under a key (hex), one safetensors file each, at most `max_bytes` in all.

    Several processes may share a folder: files appear whole, and one that another process has just removed is a miss.
    A file's modification time is when it was last used.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def get(self, key: str) -> dict[str, NDArray[np.generic]] | None:
        """The arrays kept under `key`, or None. A damaged file is removed and counts as absent."""
        path = self._path(key)
        try:
            found = load_file(path)
            os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError):
            path.unlink(missing_ok=True)
            return None
        return dict(found)

    def put(self, key: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Keep `arrays`; what does not fit at all is not kept. A full disk is no error: a cache may be empty."""
        if sum(array.nbytes for array in arrays.values()) > self._max_bytes:
            return
        temporary = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
            os.close(handle)
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
            os.replace(temporary, self._path(key))
        except (OSError, SafetensorError):
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            return
        self._evict()

    def n_bytes(self) -> int:
        """Bytes held now."""
        return sum(size for _, size, _ in self._files())

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _files(self) -> list[tuple[int, int, Path]]:
        """(last use in ns, bytes, path) of every file that is still there."""
        found = []
        for path in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                found.append((state.st_mtime_ns, state.st_size, path))
        return found

    def _evict(self) -> None:
        files = sorted(self._files())
        excess = sum(size for _, size, _ in files) - self._max_bytes
        for _, size, path in files:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size
