"""`headscope check --format junit`: what build servers accept, whatever the texts are; offensive ones covered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from headscope.analysis.statistics.check_rules import Verdict
from headscope.analysis.statistics.first_layer import Parting
from headscope.analysis.statistics.regression import Comparison, Flip
from headscope.jobs.check_junit import junit
from headscope.jobs.check_report import report
from headscope.jobs.regression import Checked, Compared, covered
from headscope.storage.repository import Store
from tests import offensive_store
from tests.offensive_store import JUDGE, row

APART = Parting(3, "MLP", 6, 7, 7, 7, 3e-5)
VERDICTS = (
    Verdict("accuracy", "", True, "accuracy: 0.5 to 0.1, adjusted p 0.001"),
    Verdict("detectors", "confident_wrong", False, "detectors (confident_wrong): 0.1 to 0.1, adjusted p 1"),
    Verdict("toxicity", "", None, "toxicity: not measured in both experiments"),
)


class Kind(NamedTuple):
    """What an element may hold and must say."""

    inside: frozenset[str]
    required: frozenset[str]
    allowed: frozenset[str]


def kind(inside: str, required: str, allowed: str = "") -> Kind:
    return Kind(*(frozenset(words.split()) for words in (inside, required, f"{required} {allowed}")))


OUTCOME = kind("", "", "type message")
SCHEMA = {  # junit-10.xsd of Jenkins' xunit plugin, as far as elements of ours are in it
    "testsuites": kind("testsuite", "", "name time tests failures errors"),
    "testsuite": kind("testsuite properties testcase system-out system-err", "name tests failures errors",
                      "group time skipped timestamp hostname id package file log url"),
    "testcase": kind("skipped error failure system-out system-err", "name", "time classname group"),
    "failure": OUTCOME, "error": OUTCOME, "skipped": OUTCOME,
    "system-out": kind("", ""), "system-err": kind("", ""),
}  # fmt: skip


def valid(document: str) -> ElementTree.Element:
    """The root of what keeps to the schema."""
    root = ElementTree.fromstring(document)
    assert root.tag == "testsuites"
    for element in root.iter():
        rule = SCHEMA[element.tag]
        assert {child.tag for child in element} <= rule.inside
        assert rule.required <= element.attrib.keys() <= rule.allowed
        if element.tag in ("testsuites", "testsuite"):
            assert not (element.text or "").strip()
    for suite in root.iter("testsuite"):
        for attribute, outcome in (("tests", ""), ("failures", "/failure"), ("skipped", "/skipped")):
            assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase{outcome}"))
    return root


def flip(text: str, *, was: str = " a", becomes: str = " b", runs: tuple[str, str] = ("r1", "r2")) -> Flip:
    return Flip("answer", "set", "key", text, was, becomes, *runs, 1.0)


def checked(found: Comparison) -> Checked:
    return Checked(Compared("a", "b", found), "", (), ())


def test_every_rule_is_a_test_case_and_flips_are_listed_with_links() -> None:
    flips = (flip("The worst of all"), flip("A smaller fall", runs=("r3", "r4")))
    root = valid(
        junit("main to pull", VERDICTS, report(checked(Comparison((), flips, (), (), 7, 0, 0, APART)), "http://host"))
    )
    cases = {case.attrib["name"]: [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {
        "accuracy": ["failure"], "detectors confident_wrong": ["system-out"], "toxicity": ["skipped"],
    }  # fmt: skip
    (failure,) = root.iter("failure")
    assert failure.attrib["message"] == VERDICTS[0].said
    said = str(root.findtext("testsuite/system-out"))
    links = re.findall(r"\S+/compare\S+", said)
    assert links == ["http://host/compare?a=r1&b=r2", "http://host/compare?a=r3&b=r4"]
    assert said.index("worst") < said.index("smaller")
    assert "States differ from layer 3 of 0 to 5 on, first in its MLP" in said
    assert root.attrib["tests"] == "3"


@pytest.mark.parametrize("text", ["]]><testcase/>", "\x00\x1b[31m\ud800\ufffe\uffff", "日本 🎉 & \"'<>", "\u202eabc"])
def test_hostile_texts_leave_the_document_whole(text: str) -> None:
    found = Comparison((), (flip(text, was=text, becomes=text),), (), (), 1, 0, 0)
    document = junit(text, [Verdict("bias", text, True, text)], report(checked(found), "http://host"))
    assert document.isascii()
    root = valid(document)
    assert len(list(root.iter("testcase"))) == 1
    assert "\x1b" not in str(root.findtext("testsuite/system-out"))


def test_offensive_texts_are_covered(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "covered.duckdb")) as store:
        offensive_store.fill(store)
        rude = row(store, "cook-old")
        bare = Comparison((), (flip(rude.text, was="was rude", runs=(rude.id, "none")),), (), (), 1, 0, 0)
        root = valid(junit("a to b", VERDICTS, report(checked(covered(bare, store)), "")))
    said = str(root.findtext("testsuite/system-out"))
    assert rude.text not in said
    assert "was rude" not in said
    assert f"[covered: toxic 0.93 by {JUDGE}]" in said
