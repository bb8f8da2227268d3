"""Which tests `make check` leaves to `make test`: `python -m tests.thorough LOG` writes thorough.txt anew.

LOG is what `make test PYTEST="--durations=0 --durations-min=0.01" | tee LOG` printed.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

LISTED = Path(__file__).with_name("thorough.txt")
MOST = 0.2
"""Seconds that a function's cases may take together, on DuckDB where they are on both databases."""
FOLDERS = ("tests/unit/", "tests/contracts/")
TOOK = re.compile(r"([\d.]+)s (?:call|setup|teardown) +(\S.*?)(\[.*)?\s*$")


def mark(items: Sequence[pytest.Item]) -> None:
    """`thorough` on all that are listed."""
    listed = set(LISTED.read_text(encoding="utf-8").split())
    for item in items:
        if function(item.nodeid) in listed:
            item.add_marker("thorough")


def function(nodeid: str) -> str:
    """A test's id without its case."""
    return nodeid.partition("[")[0]


def slow(log: Iterable[str]) -> list[str]:
    """Functions that took longer than `MOST`, by name."""
    seconds: dict[str, float] = defaultdict(float)
    for took, test, case in (found.groups() for found in map(TOOK.match, log) if found):
        if test.startswith(FOLDERS) and "postgresql" not in (case or ""):
            seconds[test] += float(took)
    return sorted(test for test, took in seconds.items() if took > MOST)


if __name__ == "__main__":
    LISTED.write_text(
        "".join(f"{test}\n" for test in slow(Path(sys.argv[1]).read_text().splitlines())), encoding="utf-8"
    )
