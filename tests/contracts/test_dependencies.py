"""What the product imports on its way in is what it installs: extras are imported where they are used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("headscope", "analysis", "dashboard", "datasets", "migrations", "storage")
OF_AN_EXTRA = {"storage/sql/postgres_arrays.py": "psycopg"}
"""Modules that are themselves imported only where their extra is needed."""


def test_every_import_of_a_module_is_of_a_declared_dependency() -> None:
    declared = {
        _plain(each) for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    brought = packages_distributions()
    foreign = {
        f"{path}: {name}"
        for path, name in _all_imports()
        if not declared & {_plain(each) for each in brought.get(name, [])} and OF_AN_EXTRA.get(path) != name
    }
    assert sorted(foreign) == []


def test_no_exception_is_kept_longer_than_it_is_needed() -> None:
    assert OF_AN_EXTRA.items() <= set(_all_imports())


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import os, torch.nn\nfrom scipy import stats", ["torch", "scipy"]),
        ("try:\n    import ray\nexcept ImportError:\n    pass", ["ray"]),
        ("class A:\n    import ray", ["ray"]),
        ("def f():\n    import ray", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ray", []),
        ("from . import a\nfrom headscope import b", []),
    ],
)
def test_only_imports_that_run_when_the_module_is_imported_count(source: str, names: list[str]) -> None:
    assert list(_imports(ast.parse(source).body)) == names


def _all_imports() -> Iterator[tuple[str, str]]:
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for name in _imports(ast.parse(path.read_text(encoding="utf-8")).body):
            yield str(path.relative_to(ROOT)), name


def _imports(body: list[ast.stmt]) -> Iterator[str]:
    """Top-level names of packages that importing the module imports, but for Python's own and ours."""
    for node in body:
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [node.module or ""] if not node.level else []
        else:
            found = []
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _for_types(node):
                yield from _imports([each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)])
        for name in (each.partition(".")[0] for each in found):
            if name not in sys.stdlib_module_names and name != "headscope":
                yield name


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _plain(requirement: str) -> str:
    """The name of a distribution as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()
