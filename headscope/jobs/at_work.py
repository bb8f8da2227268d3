"""What a job is at while its batches are computed: told between batches and within them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from headscope.analysis.errors import Stopped
from headscope.analysis.types import Beat, OnBeat, Progress


class AtWork:
    """The state of a job as the batches that run at the same time, each in its thread, tell of themselves."""

    def __init__(self, on_progress: Callable[[Progress], None], should_break: Callable[[], bool]) -> None:
        self._on_progress, self.broken_off = on_progress, should_break
        self._lock = threading.Lock()
        self._begun: dict[object, float] = {}
        self._last = Progress(0, 0, 0, 0, 0.0)
        self._since = time.monotonic()

    def now(self, progress: Progress) -> None:
        """What is done, after a batch."""
        with self._lock:
            self._last = progress
            self._on_progress(replace(progress, begun=sum(self._begun.values())))

    @contextmanager
    def batch(self, n_prompts: int) -> Iterator[OnBeat]:
        """What hears of a batch of so many prompts until it ends; raises Stopped in it when the job breaks off."""
        key = object()

        def on_beat(beat: Beat) -> None:
            if self.broken_off():
                raise Stopped
            with self._lock:
                self._begun[key] = n_prompts * beat.share
                begun, seconds = sum(self._begun.values()), time.monotonic() - self._since
                self._on_progress(replace(self._last, begun=begun, stage=beat.stage, seconds=seconds))

        try:
            yield on_beat
        finally:
            with self._lock:
                self._begun.pop(key, None)
