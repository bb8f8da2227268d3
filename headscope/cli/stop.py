"""Stopping a command that works in batches."""

from __future__ import annotations

import signal
from types import FrameType

from headscope.cli.terminal import Console


class Stop:
    """Ctrl-C once: stop after this batch. Twice: stop now."""

    def __init__(self, console: Console) -> None:
        self._console, self._asked = console, False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._console.print("stopping after this batch (again to stop at once) ...", style="yellow")

    def __call__(self) -> bool:
        """Whether it was asked for."""
        return self._asked
