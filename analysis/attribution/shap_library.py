"""The shap library, imported when it is first asked for: that takes a second, and most requests do not ask."""

from __future__ import annotations

import importlib
import threading
from typing import Any


def shap_library() -> Any:
    """`shap`, whose inner loops stay Python: numba would compile them for five seconds in every process, to add up a
    few hundred numbers. What others have numba compile is as it was. The lock of its progress bars, which nobody sees,
    is no semaphore of the system's: a worker that is ended would leave it behind, and Python warn of it."""
    bars = importlib.import_module("tqdm").tqdm
    if not hasattr(bars, "_lock"):
        bars.set_lock(threading.RLock())
    config = importlib.import_module("numba").config
    before, config.DISABLE_JIT = config.DISABLE_JIT, True
    try:
        return importlib.import_module("shap")
    finally:
        config.DISABLE_JIT = before
