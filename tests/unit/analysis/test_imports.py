"""Imports of large libraries: nothing is looked through for garbage meanwhile, and all is as before afterwards."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

from headscope.analysis.imports import importing
from tests.cli import GUARD

ROOT = Path(__file__).parents[3]
CODE = """
import gc, json, sys
from headscope.analysis.imports import importing
told = []
with importing("headscope.nothing"):
    told.append((gc.isenabled(), gc.get_freeze_count()))
told.append((gc.isenabled(), gc.get_freeze_count()))
gc.unfreeze()
try:
    with importing("headscope.nothing"):
        raise ValueError
except ValueError:
    told.append((gc.isenabled(), gc.get_freeze_count()))
gc.disable()
with importing("headscope.nothing"):
    pass
told.append(gc.isenabled())
print(json.dumps(told))
"""


def test_garbage_is_looked_for_again_afterwards_but_not_in_what_came() -> None:
    """In a process of its own: what the others of this one have made is not to be frozen."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT, timeout=GUARD
    )
    during, after, failed, enabled_by_us = json.loads(done.stdout)
    assert during == [False, 0]
    assert not enabled_by_us
    for enabled, frozen in (after, failed):
        assert enabled
        assert frozen > 1000


def test_where_the_module_is_there_nothing_changes() -> None:
    """As in a program that calls ours: what it has made is its own to look through."""
    frozen, enabled = gc.get_freeze_count(), gc.isenabled()
    with importing("headscope.analysis.imports"):
        assert gc.isenabled() == enabled
    assert gc.get_freeze_count() == frozen


def test_every_command_that_computes_here_begins_in_this_way() -> None:
    """`inline_engine` prepares torch before it is imported, too."""
    direct = [
        path.name for path in (ROOT / "headscope" / "cli").glob("*.py") if "engines.inline" in path.read_text("utf-8")
    ]
    assert direct == []


def test_the_command_is_the_package_too() -> None:
    words = [sys.executable, "-m", "headscope", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=GUARD)
    assert done.stdout.startswith("headscope ")
