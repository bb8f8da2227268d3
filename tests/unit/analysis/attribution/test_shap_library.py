"""The shap library as Headscope imports it."""

from __future__ import annotations

import importlib
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
