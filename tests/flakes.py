"""Run the suite several times and list what differed: `python -m tests.flakes 5 [pytest arguments]`, or `make flakes`.

Exit status 1 when a test ended differently from one round to another, or failed in all of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

WORSE = ("error", "failure", "skipped")


def outcomes(report: Path) -> dict[str, str]:
    """Each test's outcome in a JUnit report; a test that passes and then fails to clean up is an error."""
    found: dict[str, str] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        told = {child.tag for child in case}
        found[name] = next((word for word in WORSE if word in told or found.get(name) == word), "passed")
    return found


def compare(rounds: list[dict[str, str]]) -> tuple[dict[str, Counter[str]], list[str]]:
    """The tests whose outcomes differ (a test that a round did not reach is `missing` there), and those that failed in
    every round."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for name in {name for found in rounds for name in found}:
        for found in rounds:
            seen[name][found.get(name, "missing")] += 1
    differed = {name: counts for name, counts in sorted(seen.items()) if len(counts) > 1}
    failed = [name for name, counts in sorted(seen.items()) if set(counts) in ({"failure"}, {"error"})]
    return differed, failed


def main() -> int:
    """Command line."""
    count, arguments = int(sys.argv[1]), sys.argv[2:]
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            report = Path(folder) / f"{index}.xml"
            subprocess.run([sys.executable, "-P", "-m", "pytest", f"--junitxml={report}", *arguments], check=False)
            rounds.append(outcomes(report))
    differed, failed = compare(rounds)
    print(f"\n{count} rounds of {len(rounds[-1])} tests: {len(differed)} differed, {len(failed)} failed in every round")
    for name, counts in differed.items():
        print(f"DIFFERED {name}: {', '.join(f'{n} {word}' for word, n in counts.items())}")
    for name in failed:
        print(f"FAILED {name}")
    return int(bool(differed or failed))


if __name__ == "__main__":
    sys.exit(main())
