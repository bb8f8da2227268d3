"""Verdicts as JUnit XML, which build servers draw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from headscope.analysis.printable import visible

if TYPE_CHECKING:
    from headscope.analysis.statistics.check_rules import Verdict

NAME = "headscope check"
_NO_XML = re.compile("[\ufffe\uffff]")
"""Characters that XML 1.0 does not allow, beside those that `visible` writes as escapes."""


def junit(title: str, verdicts: Sequence[Verdict], report: Iterable[str]) -> str:
    """One document: `testsuites`, one `testsuite` called `title`, a `testcase` for each verdict.

    What failed has a `failure`, what had nothing to look at is `skipped`, and the lines of `report` are the suite's
    `system-out`. The format is that of Ant's JUnit task as Jenkins' xunit plugin reads it (junit-10.xsd), in ASCII,
    which any terminal can write.
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
    ElementTree.SubElement(suite, "system-out").text = _text("\n".join(report))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="us-ascii")
    return document.decode("ascii")


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", visible(text))
