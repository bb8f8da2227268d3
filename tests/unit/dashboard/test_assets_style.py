"""Scripts and styles keep the rules that Python files keep by ruff; there is no Node to count on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from headscope.dashboard.app import ASSETS
from headscope.dashboard.pages import PAGES

OWN = sorted(path for path in ASSETS.rglob("*") if path.suffix in {".js", ".css"} and "00_vendor" not in path.parts)
SCRIPTS, STYLES = ([path for path in OWN if path.suffix == kind] for kind in (".js", ".css"))
WIDTH, LINES, BODY = 120, 300, 40
FORBIDDEN = {
    r"\bvar\s": "let or const",
    r"[^=!]==[^=]|!=[^=]": "=== or !==",
    r"\bconsole\.": "nothing is logged",
    r"\beval\(|new Function\(|setTimeout\(\s*[\"'`]": "the page's policy forbids it",
    r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write": "elements are made, not parsed: headscope.dom.el",
    r"setAttribute\(\s*[\"'`]on": "addEventListener",
    r"\bdebugger\b": "left behind",
}
IN_BASE = {
    r"\bgetElementById\(": "headscope.dom.$",
    r"Content-Type": "headscope.request.posted",
    r"\blocalStorage\b": "headscope.stored",
    r"\batob\(": "headscope.tensors.bytes",
    r"history\.(?:push|replace)State": "headscope.url",
}
"""What is written once, in 50_base, and what others use in its place."""
HEAD = re.compile(
    r"^  (?:async )?function \w+\(.*\{$|^    (?:async |static )?\w+\(.*\) \{$|^  const \w+ = .*=> \{$", re.M
)


def name(path: Path) -> str:
    return path.relative_to(ASSETS).as_posix()


def code(path: Path) -> str:
    """Without comments, and with nothing in its strings that could be mistaken for code."""
    text = re.sub(r"/\*.*?\*/|(?<![:\"'`\w\\])//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', lambda found: re.sub(r"[=()]", "", found[0]), text)


@pytest.mark.parametrize("path", OWN, ids=name)
def test_a_file_can_be_read_in_one_go(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert [line for line in lines if len(line) > WIDTH or "\t" in line or line != line.rstrip()] == []
    assert len(lines) <= LINES
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_script_keeps_the_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("/*"), "what is it for?"
    assert re.search(r'\*/\n\(function \(\) \{\n  "use strict";\n.*\n\}\)\(\);\n\Z', text, flags=re.S)
    plain = code(path)
    rules = FORBIDDEN if "50_base" in path.parts or path.name == "boot.js" else FORBIDDEN | IN_BASE
    assert [f"{found[0]!r}: {why}" for rule, why in rules.items() for found in re.finditer(rule, plain)] == []
    for head in HEAD.finditer(text):
        indent = re.match(" *", head[0])
        assert indent is not None
        body = text[head.start() : text.index(f"\n{indent[0]}}}", head.start())]
        assert body.count("\n") <= BODY, head[0].strip()


def test_folders_are_loaded_in_order_and_pages_have_names() -> None:
    places = [path.relative_to(ASSETS).parts for path in OWN if path.parent != ASSETS]
    assert {place[0] for place in places} == {"50_base", "60_parts", "90_pages"}
    pages = {module.split(".")[-2] for module in PAGES}
    assert {place[1] for place in places if place[0] == "90_pages"} <= pages
    assert {len(place) for place in places if place[0] != "50_base"} == {3}


def test_no_two_files_mean_something_else_by_one_name() -> None:
    """Every style is on every page, and every script in one namespace: the later would take from the earlier."""
    homes: dict[str, set[str]] = defaultdict(set)
    for path in STYLES:
        for given in re.findall(r"^(\.hs-[\w-]+) \{", path.read_text(encoding="utf-8"), flags=re.M):
            homes[given].add(name(path))
    for path in SCRIPTS:
        for given in re.findall(r"^\s+((?:hs|run|runs|live|attention)\.\w+) = (?!\()", code(path), flags=re.M):
            homes[given].add(name(path))
    assert {key: sorted(found) for key, found in homes.items() if len(found) > 1} == {}


@pytest.mark.skipif(
    shutil.which("node") is None, reason="no node on this machine: the browser alone parses the scripts"
)
def test_scripts_parse() -> None:
    check = (
        "for (const [name, text] of JSON.parse(require('fs').readFileSync(0))) new (require('vm').Script)(text, name)"
    )
    sources = json.dumps([(name(path), path.read_text(encoding="utf-8")) for path in SCRIPTS])
    done = subprocess.run(["node", "-e", check], check=False, input=sources, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
