"""Importing large libraries without looking through them for garbage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing(name: str) -> Iterator[None]:
    """While the module `name` and all it brings are imported; nothing where it is there already.

    What modules hold stays until the process ends, a million objects for torch and transformers. Looking through them
    time and again while they come, and once more at the end, was a third of what a short command took
    (benchmarks/start.py). Only for processes of our own: what a caller has made by then is not looked through again
    either.
    """
    if name in sys.modules:
        yield
        return
    looked_through = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if looked_through:
            gc.enable()
