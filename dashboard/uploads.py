"""Requests that are larger than one HTTP body may be: their parts wait in a file until the request refers to them.

Bounded: so many at once, so many bytes each, on disk and never in memory before they are asked for. The file has no
name, so it goes with the process; one whose client says nothing more goes after a while.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
from dataclasses import dataclass
from typing import IO

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.dashboard.units import mebibytes

MOST_BYTES = 256 * 2**20
MOST_UPLOADS = 4
IDLE_SECONDS = 300.0


@dataclass(slots=True)
class _Upload:
    file: IO[bytes]
    size: int
    timer: threading.Timer


class Uploads:
    """The uploads of one server; safe from any thread."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS, most_bytes: int = MOST_BYTES) -> None:
        self._idle, self._most = idle_seconds, most_bytes
        self._lock = threading.Lock()
        self._open: dict[str, _Upload] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self) -> str:
        """The key of a new upload. Raises InputError when too many are open."""
        with self._lock:
            if len(self._open) >= MOST_UPLOADS:
                raise InputError(
                    f"{MOST_UPLOADS} other requests are being handed over: try again when they are through "
                    f"(one that was given up goes after {self._idle:g} s)."
                )
            key = secrets.token_urlsafe(16)
            self._open[key] = _Upload(tempfile.TemporaryFile(), 0, self._timer(key))  # noqa: SIM115 - closed by `_close`
            return key

    def add(self, key: str, at: int, part: bytes) -> None:
        """Append a part that begins at byte `at`. Raises InputError when parts are missing or it becomes too large,
        and UnknownNameError when there is no such upload (any more)."""
        with self._lock:
            upload = self._get(key)
            if at != upload.size:
                raise InputError(f"this part begins at byte {at}, but {upload.size} bytes are here: begin again.")
            if upload.size + len(part) > self._most:
                self._close(key)
                raise InputError(
                    f"the request is larger than the {mebibytes(self._most):g} MiB that a server takes: hand over "
                    "fewer prompts at a time, or stop the server and run them on the store itself."
                )
            upload.file.write(part)
            upload.size += len(part)
            upload.timer.cancel()
            upload.timer = self._timer(key)

    def take(self, key: str) -> bytes:
        """All of it; the upload is over then. Raises UnknownNameError."""
        with self._lock:
            upload = self._get(key)
            try:
                upload.file.seek(0)
                return upload.file.read()
            finally:
                self._close(key)

    def drop(self, key: str) -> None:
        """Forget an upload, if there is one."""
        with self._lock:
            if key in self._open:
                self._close(key)

    def _get(self, key: str) -> _Upload:
        if key not in self._open:
            raise UnknownNameError(
                "upload", key, (), f"It was taken, or nothing came for {self._idle:g} s: begin again."
            )
        return self._open[key]

    def _close(self, key: str) -> None:
        upload = self._open.pop(key)
        upload.timer.cancel()
        upload.file.close()

    def _timer(self, key: str) -> threading.Timer:
        timer = threading.Timer(self._idle, self.drop, (key,))
        timer.daemon = True
        timer.start()
        return timer
