"""The list of tests that `make check` leaves out."""

from __future__ import annotations

import re
from pathlib import Path

from tests.thorough import LISTED, function, slow

ROOT = Path(__file__).parents[2]
TEST = re.compile(r"def (test_\w+)\(")


def test_every_listed_test_is_there() -> None:
    """Its file, and a function of its name: contracts have theirs from a class of another file."""
    named = {name for path in (ROOT / "tests").rglob("*.py") for name in TEST.findall(path.read_text(encoding="utf-8"))}
    listed = [test.split("::") for test in LISTED.read_text(encoding="utf-8").split()]
    gone = [test for test in listed if not (ROOT / test[0]).exists() or test[-1] not in named]
    assert gone == []  # python -m tests.thorough writes the list anew


def test_cases_count_together_and_postgresqls_not() -> None:
    log = [
        "0.20s call     tests/unit/a/test_a.py::test_x[one]",
        "0.05s setup    tests/unit/a/test_a.py::test_x[two]",
        "0.06s call     tests/unit/a/test_a.py::test_x[two of them]",
        "9.00s call     tests/contracts/test_b.py::TestB::test_y[postgresql]",
        "0.31s call     tests/contracts/test_b.py::TestB::test_z[duckdb-a b]",
        "9.00s call     tests/browser/test_c.py::test_c",
        "1 failed in 12.00s call",
    ]
    assert slow(log) == ["tests/contracts/test_b.py::TestB::test_z", "tests/unit/a/test_a.py::test_x"]
    assert function("tests/unit/a/test_a.py::test_x[a::b[c]]") == "tests/unit/a/test_a.py::test_x"
