"""The shap library as Headscope imports it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import FunctionType

from headscope.analysis.attribution.shap_library import shap_library


def test_its_loops_are_not_compiled_and_numba_is_as_it_was() -> None:
    shap = shap_library()
    assert shap is importlib.import_module("shap")
    loops = importlib.import_module("shap.utils._masked_model")
    assert isinstance(loops._build_fixed_single_output, FunctionType)
    numba = importlib.import_module("numba")
    assert not numba.config.DISABLE_JIT
    assert not isinstance(numba.njit(lambda x: x), FunctionType)


def test_bars_nobody_sees_take_no_semaphore() -> None:
    """In a process of its own: a bar that was drawn before keeps its lock."""
    program = """
import threading, tqdm
from multiprocessing import resource_tracker
from headscope.analysis.attribution.shap_library import shap_library
taken = []
resource_tracker.register = lambda name, kind: taken.append((name, kind))
shap_library()
list(tqdm.tqdm(range(2), disable=True))
assert type(tqdm.tqdm.get_lock()) is type(threading.RLock()), tqdm.tqdm.get_lock()
print(taken)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stderr
