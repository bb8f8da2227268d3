"""Suites of behaviour tests as files: YAML or JSON of tests, each with its examples (docs/behaviour.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from headscope.analysis.errors import InputError
from headscope.analysis.statistics.behaviour_tests import DIRECTIONS, KINDS, BehaviourTest, Example
from headscope.analysis.types import Prompt, PromptSet
from headscope.datasets.canonical import canonical_sha256

SUITE_FIELDS = ("name", "version", "licence", "purpose", "tests")
TEST_FIELDS = ("name", "kind", "examples", "allowed", "expect", "by", "target", "foil")
EXAMPLE_FIELDS = ("text", "changed", "target", "foil")
ORIGINAL, CHANGED = "original", "changed"


@dataclass(frozen=True, slots=True)
class BehaviourSuite:
    """The tests, and their prompts as a set that can be run."""

    name: str
    tests: tuple[BehaviourTest, ...]
    prompt_set: PromptSet


def read(path: Path) -> BehaviourSuite:
    """A suite file. Raises InputError naming the test and the example that is wrong."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.", "prompt_file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is no YAML or JSON: {' '.join(str(error).split())}.", "prompt_file") from error
    suite = _fields(document, SUITE_FIELDS, str(path))
    tests = tuple(_test(item, f"{path}, test {i}", i) for i, item in enumerate(_list(suite, "tests", str(path)), 1))
    names = [test.name for test in tests]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}: two tests are called {doubled!r}.", "prompt_file")
    name = _text(suite, "name", str(path)) or path.stem
    prompts = tuple(prompt for test in tests for example in test.examples for prompt in _prompts(test, example))
    sha256 = canonical_sha256(prompts)
    said = {key: _text(suite, key, str(path)) or "" for key in ("version", "licence", "purpose")}
    version = said["version"] or sha256[:12]
    return BehaviourSuite(
        name, tests, PromptSet(name, version, said["licence"], said["purpose"], sha256, prompts, source=str(path))
    )


def _test(item: Any, where: str, number: int) -> BehaviourTest:
    found = _fields(item, TEST_FIELDS, where)
    said, expect = found.get("kind"), _text(found, "expect", where) or ""
    kind = next((known for known in KINDS if known == said), None)
    if kind is None:
        raise InputError(f"{where}: kind must be {', '.join(KINDS)}, not {said!r}.", "prompt_file")
    if (kind == "direction") != (expect in DIRECTIONS):
        raise InputError(f"{where}: a direction test, and no other, says expect: up or expect: down.", "prompt_file")
    name = _text(found, "name", where) or f"test {number}"
    shared = {key: found[key] for key in ("target", "foil") if key in found}
    examples = tuple(
        _example({**shared, **_fields(example, EXAMPLE_FIELDS, f"{where}, example {i}")}, kind, f"{number}/{i}",
                 f"{where} ({name}), example {i}")
        for i, example in enumerate(_list(found, "examples", where), 1)
    )  # fmt: skip
    allowed, by = _number(found, "allowed", where, most=1.0), _number(found, "by", where)
    if kind == "invariance" and by == 0 and any(example.target is not None for example in examples):
        raise InputError(f"{where}: say by how many nats the target may move (by: 0.5).", "prompt_file")
    return BehaviourTest(name, kind, examples, allowed, expect, by)


def _example(found: Mapping[str, Any], kind: str, key: str, where: str) -> Example:
    text, changed, target, foil = (_text(found, name, where) for name in EXAMPLE_FIELDS)
    if not text:
        raise InputError(f"{where}: there is no text.", "prompt_file")
    if (kind == "functionality") == bool(changed):
        wants = "has no changed text" if kind == "functionality" else "needs its changed text"
        raise InputError(f"{where}: an example of a {kind} test {wants}.", "prompt_file")
    if target is None and (kind != "invariance" or foil is not None):
        raise InputError(f"{where}: there is no target to look at.", "prompt_file")
    return Example(key, text, changed or "", target, foil)


def _prompts(test: BehaviourTest, example: Example) -> list[Prompt]:
    """The prompts of an example; two of them are a pair, whose groups are about no people and no right answer."""
    tags = (test.name, test.kind)
    if not example.changed:
        return [Prompt(example.key, example.text, example.target, example.foil, tags=tags)]
    return [
        Prompt(key, text, example.target, example.foil, group, example.key, tags)
        for key, text, group in (
            (example.key, example.text, ORIGINAL), (f"{example.key}/changed", example.changed, CHANGED))
    ]  # fmt: skip


def _fields(item: Any, known: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise InputError(f"{where}: expected fields ({', '.join(known)}), found {type(item).__name__}.", "prompt_file")
    for name in item:
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            hint = f" did you mean {near[0]!r}?" if near else f" There are {', '.join(known)}."
            raise InputError(f"{where}: no such field as {name!r};{hint}", "prompt_file")
    return item


def _list(found: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = found.get(name)
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: {name} must be a list with something in it.", "prompt_file")
    return value


def _text(found: Mapping[str, Any], name: str, where: str) -> str | None:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: {name} must be text (in quotes), not {value!r}.", "prompt_file")
    return value


def _number(found: Mapping[str, Any], name: str, where: str, most: float = 1e6) -> float:
    value = found.get(name, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InputError(f"{where}: {name} must be a number from 0 to {most:g}, not {value!r}.", "prompt_file")
    return float(value)
