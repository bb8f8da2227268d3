"""Benchmarks are run by hand and now and then: what they use of the product must be there when they are."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

NAMES = sorted(
    path.stem for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py") if not path.stem.startswith("_")
)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_all_it_imports(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert name == "harness" or hasattr(module, "main") or module.__doc__
