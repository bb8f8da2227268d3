"""Pages and stores show what a method was set to and what came out without knowing any method."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from headscope.analysis.registry import METHODS
from headscope.analysis.types import GenerationParams
from headscope.migrations.v0009.outcome import BASELINE, ERRORS, GENERATED, MOVED, REPEATED, SAME, STEPS, TERMS

ROOT = Path(__file__).parents[2]
FILES = [path for room in ("dashboard", "storage") for path in sorted((ROOT / room).rglob("*.*"))
         if path.suffix in {".py", ".js"} and "vendor" not in path.parent.name]  # fmt: skip
BY_KEY = {"params", "terms", "facts"}
"""What is shown whole, and never asked for one key."""
OURS = {*SAME, *STEPS, REPEATED, "max_tokens"}
"""Keys of before that are fields of every Outcome now, or a page's own word; the setting of models behind an API."""
GENERATION = {field.name for field in fields(GenerationParams)}
"""Settings of continuations, which stores and pages know."""


def words() -> set[str]:
    """Names that only methods know: their parameters, where the name is nothing else, and what they say came out."""
    declared = {param.name for entry in METHODS.values() for param in entry.params if "_" in param.name}
    return (declared | {*MOVED, *TERMS.values(), BASELINE, GENERATED, *(label for label, _ in ERRORS.values())}) - OURS


def literals(path: Path) -> set[str]:
    if path.suffix == ".js":
        return {found[1] for found in re.finditer(r"[\"'`]([^\"'`\n]+)[\"'`]", path.read_text())}
    return {node.value for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip


def asked_by_key(tree: ast.AST) -> Iterator[str]:
    """`x.params["key"]`, `x.params.get("key")` and `"key" in x.params`; of terms and facts too."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(ast.Attribute(attr=name), ast.Constant(str(key))) if name in BY_KEY:
                yield key
            case ast.Call(ast.Attribute(ast.Attribute(attr=name), "get"), [ast.Constant(str(key)), *_]) if (
                name in BY_KEY
            ):
                yield key
            case ast.Compare(ast.Constant(str(key)), comparators=[ast.Attribute(attr=name)]) if name in BY_KEY:
                yield key


def test_no_page_and_no_store_knows_a_methods_key() -> None:
    known = words()
    assert {"hold_first", "disagreement", "softmax leak"} <= known
    found = {str(path.relative_to(ROOT)): said for path in FILES if (said := literals(path) & known)}
    assert found == {}
    keys = {str(path.relative_to(ROOT)): asked for path in FILES if path.suffix == ".py"
            and (asked := set(asked_by_key(ast.parse(path.read_text()))) - GENERATION)}  # fmt: skip
    assert keys == {}


@pytest.mark.parametrize("code", ['one.params["norm"]', 'one.params.get("norm", 1)', '"norm" in one.params'])
def test_a_key_that_is_asked_for_is_seen(code: str) -> None:
    assert list(asked_by_key(ast.parse(code))) == ["norm"]
