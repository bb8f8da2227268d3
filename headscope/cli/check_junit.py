"""A comparison as JUnit XML, which build servers draw: a test case for each rule, the prompts that flipped beneath."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from headscope.analysis.printable import visible
from headscope.cli.check_shown import FLIPPED, flip_lines

if TYPE_CHECKING:
    from headscope.analysis.statistics.check_rules import Verdict
    from headscope.analysis.statistics.regression import Comparison

NAME = "headscope check"
_NO_XML = re.compile("[\ufffe\uffff]")
"""Characters that XML 1.0 does not allow, beside those that `visible` writes as escapes."""


def junit(found: Comparison, verdicts: Sequence[Verdict], title: str, server: str) -> str:
    """One document: `testsuites`, one `testsuite` called `title`, a `testcase` for each verdict.

    A rule that is broken has a `failure`, one with nothing to look at is `skipped`; the flips with links to both runs
    are the suite's `system-out`, the furthest fall first. Only what the rules call a regression fails, as in the exit
    status. The format is that of Ant's JUnit task as Jenkins' xunit plugin reads it (junit-10.xsd), in ASCII, which any
    terminal can write.
    """
    counts = {
        "tests": str(len(verdicts)),
        "failures": str(sum(verdict.failed is True for verdict in verdicts)),
        "errors": "0",
    }
    root = ElementTree.Element("testsuites", {"name": NAME, **counts})
    skipped = str(sum(verdict.failed is None for verdict in verdicts))
    suite = ElementTree.SubElement(root, "testsuite", {"name": _text(title), **counts, "skipped": skipped})
    for verdict in verdicts:
        name = f"{verdict.name} {verdict.part}".strip()
        case = ElementTree.SubElement(suite, "testcase", {"classname": "headscope.check", "name": _text(name)})
        if verdict.failed is None:
            ElementTree.SubElement(case, "skipped", {"message": _text(verdict.said)})
        elif verdict.failed:
            failure = {"type": "regression", "message": _text(verdict.said)}
            ElementTree.SubElement(case, "failure", failure).text = _text(verdict.said)
        else:
            ElementTree.SubElement(case, "system-out").text = _text(verdict.said)
    ElementTree.SubElement(suite, "system-out").text = _text("\n".join(_report(found, server)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="us-ascii").decode("ascii")


def _report(found: Comparison, server: str) -> Sequence[str]:
    lines = [f"{found.n} prompts in both"]
    for name, title in FLIPPED.items():
        if flips := getattr(found, name):
            lines += [f"{title}: {len(flips)}", *flip_lines(flips, server)]
    return lines


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", visible(text))
