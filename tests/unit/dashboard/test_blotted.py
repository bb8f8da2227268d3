"""A blotted run has no word of its text and every number of the run."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.dashboard.blotted import BlottedRun, blot, blotted
from headscope.dashboard.pages.run.again import again, again_command
from headscope.dashboard.pages.run.header import header
from headscope.dashboard.pages.run.query import RunQuery, fitted
from headscope.dashboard.pages.run.sources import group_starts
from headscope.dashboard.pages.run.view import view_model
from headscope.dashboard.plain_json import plain
from headscope.storage.repository import Store
from headscope.storage.rows import Offence, RunDetail
from tests import offensive_store
from tests.offensive_store import REPLY, RUDE, row
from tests.page_parts import text_of

PROMPT = Offence("prompt", "toxic", 0.93, "judge")
CONTINUATION = Offence("continuation", "toxic", 0.8, "judge")


@pytest.fixture(scope="module")
def detail(tmp_path_factory: pytest.TempPathFactory) -> RunDetail:
    with Store.open(str(tmp_path_factory.mktemp("store") / "covered.duckdb")) as store:
        offensive_store.fill(store)
        return store.run(row(store, "cook-old").id)


def numbers(view: object) -> object:
    """What is drawn without its texts."""
    if isinstance(view, dict):
        return {key: numbers(value) for key, value in view.items()}
    if isinstance(view, list):
        return [numbers(value) for value in view]
    return "" if isinstance(view, str) else view


def model(detail: RunDetail) -> dict[str, object]:
    return view_model(detail, fitted(RunQuery(id=detail.row.id), detail), None, None)


def test_letters_stand_for_letters_and_marks_stay() -> None:
    assert blot("You're 3 “Dons”!\n漢字 🦊 e\u0301") == "Xxx'xx 0 “Xxxx”!\nxx x xx"
    assert blot("") == ""


def test_of_an_offensive_prompt_no_word_is_left_and_every_number(detail: RunDetail) -> None:
    before, after = model(detail), blotted(detail, {"prompt": PROMPT, "continuation": CONTINUATION})
    assert isinstance(after, BlottedRun)
    assert RUDE in json.dumps(before)
    assert REPLY in json.dumps(before)
    whole = json.dumps([model(after), plain(after), text_of(header(after, None, None)), text_of(again(after))])
    assert RUDE not in whole.lower()
    assert REPLY not in whole.lower()
    assert "cook was" not in whole
    assert numbers(model(after)) == numbers(before)
    assert detail.trace is not None
    assert after.trace is not None
    starts = [
        group_starts(one.trace.tokens, one.continuation, one.attributions) for one in (detail, after) if one.trace
    ]
    assert starts[0] == starts[1]
    assert "covered: 5 words · toxic" in text_of(header(after, None, None))
    assert again_command(detail).startswith("printf")
    assert "show the text first" in text_of(again(after))


def test_of_an_offensive_answer_the_prompt_stays(detail: RunDetail) -> None:
    after = blotted(detail, {"continuation": CONTINUATION})
    assert after.row.text == detail.row.text
    assert after.trace is not None
    assert detail.trace is not None
    assert after.trace.tokens is detail.trace.tokens
    assert after.target == detail.target  # it was given
    assert REPLY not in json.dumps(plain(after))
    assert after.trace.topk_texts[:-1] == detail.trace.topk_texts[:-1]
    predicted = replace(detail, target=replace(detail.target, chosen="predicted"))  # type: ignore[type-var]
    told = blotted(predicted, {"continuation": CONTINUATION})
    assert told.target is not None
    assert told.target.text == " xxxxxxx"
    sampled = blotted(detail, {"sampled": CONTINUATION})
    told_of = [item.evidence for item in sampled.findings if isinstance(item, ProbeResult)]
    assert {evidence["covered"] for evidence in told_of if "error" not in evidence} == {CONTINUATION.said}
    assert {len(item.evidence) for item in sampled.findings if isinstance(item, ToxicityScore)} == {0}
    for item in fields(RunDetail):
        if item.name != "findings":
            assert getattr(sampled, item.name) is getattr(detail, item.name)
    assert blotted(detail, {}) is detail
