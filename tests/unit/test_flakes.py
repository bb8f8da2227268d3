"""What `make flakes` makes of several rounds."""

from __future__ import annotations

from pathlib import Path

from tests.flakes import compare, outcomes

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="passes"/>
<testcase classname="a" name="fails"><failure message="no"/></testcase>
<testcase classname="a" name="skips"><skipped/></testcase>
<testcase classname="a" name="passes, cannot clean up"/>
<testcase classname="a" name="passes, cannot clean up"><error message="left open"/></testcase>
</testsuite></testsuites>"""


def test_outcomes_of_a_round(tmp_path: Path) -> None:
    (tmp_path / "r.xml").write_text(REPORT)
    assert outcomes(tmp_path / "r.xml") == {
        "a::passes": "passed", "a::fails": "failure", "a::skips": "skipped", "a::passes, cannot clean up": "error",
    }  # fmt: skip


def test_what_differs_and_what_always_fails() -> None:
    rounds = [
        {"steady": "passed", "flaky": "passed", "broken": "failure", "late": "passed"},
        {"steady": "passed", "flaky": "failure", "broken": "failure"},
    ]
    differed, failed = compare(rounds)
    assert {name: dict(counts) for name, counts in differed.items()} == {
        "flaky": {"passed": 1, "failure": 1}, "late": {"passed": 1, "missing": 1},
    }  # fmt: skip
    assert failed == ["broken"]
    assert compare(rounds[:1]) == ({}, ["broken"])
