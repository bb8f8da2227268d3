"""The classifier's tokens beside the model's, by characters; and where the first toxic one is explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from headscope.analysis.classifiers.card import card
from headscope.analysis.types import Prompt, TokenizedText
from headscope.analysis.types.findings import ToxicityScore
from headscope.dashboard.pages.run.cards import cards
from headscope.dashboard.pages.run.toxicity import columns
from headscope.dashboard.scorer_tokens import ScorerToken, explained_in_live, first_raised, scorer_tokens
from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail
from tests.factories import make_info, make_result, make_set
from tests.page_parts import hrefs, text_of

TEXT = " and slept"
SPANS = {"tokens": ["and", "sle", "pt"], "scores": [-0.25, 0.5, 1.5], "spans": [[1, 4], [5, 8], [8, 10]]}
OLD = {name: SPANS[name] for name in ("tokens", "scores")}


def model_tokens(*texts: str) -> TokenizedText:
    ends = np.cumsum([len(text) for text in texts])
    spans = np.stack([np.r_[0, ends[:-1]], ends], axis=-1).astype(np.int32)
    n = len(texts)
    return TokenizedText("".join(texts), np.arange(n, dtype=np.int32), texts, spans, np.arange(n, dtype=np.int32),
                         np.zeros(n, dtype=np.bool_))  # fmt: skip


def test_columns_are_as_small_as_both_tokenizations_allow() -> None:
    tokens = scorer_tokens(SPANS, TEXT)
    surprisal = np.array([0.5, 1.5, 2.5], np.float32)
    whole = columns(TEXT, tokens, model_tokens(" and", " slept"), surprisal[:2])
    assert [(cell.text, cell.score, cell.pieces) for cell in whole] == [
        (" and", -0.25, ((" and", 0.5),)), (" slept", 2.0, ((" slept", 1.5),))]  # fmt: skip
    finer = columns(TEXT, tokens, model_tokens(" and s", "l", "ept"), surprisal)
    assert [(cell.text, cell.score) for cell in finer] == [(" and slept", 1.75)]  # no boundary in common before the end
    assert [text for text, _ in finer[0].pieces] == [" and s", "l", "ept"]
    first_window = columns(TEXT, tokens[:1], model_tokens(" and", " slept"), surprisal[:2])
    assert [cell.text for cell in first_window] == [" and"]
    assert columns(TEXT, (), model_tokens(TEXT), surprisal) == ()


def test_evidence_of_before_finds_its_places_and_another_text_has_none() -> None:
    assert scorer_tokens(OLD, TEXT) == scorer_tokens(SPANS, TEXT)
    assert scorer_tokens(OLD, "something else") == scorer_tokens(SPANS, "something else") == ()
    assert scorer_tokens(None, TEXT) == scorer_tokens({}, TEXT) == ()


def test_the_first_toxic_token_is_asked_for_with_all_that_stands_before_it() -> None:
    tokens = scorer_tokens(SPANS, TEXT)
    assert first_raised(tokens) == ScorerToken(8, 10, 1.5)  # .5 is less than half of 1.5
    assert first_raised((ScorerToken(0, 1, 0.75), *tokens)) == ScorerToken(0, 1, 0.75)
    assert first_raised(tokens[:1]) is first_raised(()) is None
    asked = parse_qs(urlsplit(explained_in_live("gpt2", "The cat", TEXT, ScorerToken(5, 10, 1.0))).query)
    assert asked == {"text": ["The cat and"], "target": [" slept"], "model": ["gpt2"]}


@pytest.fixture(scope="module")
def detail(tmp_path_factory: pytest.TempPathFactory) -> RunDetail:
    folder: Path = tmp_path_factory.mktemp("toxic")
    found = (ToxicityScore("prompt", "toxic", 0.1, "minilm-toxicity-2"),
             ToxicityScore("continuation", "toxic", 0.9, "minilm-toxicity-2", SPANS))  # fmt: skip
    results = [replace(make_result(Prompt("p", "The cat sat"), evidence=True), findings=found, capsule={})]
    with Store.open(str(folder / "s.duckdb")) as store:
        job = store.start_job(experiment="e", model="m", spec={}, total=1)
        saved = store.save(job, make_info(), make_set(results[0].prompt), ("toxicity",), 0, results)
        return store.run(saved.run_ids[0])


def shown(detail: RunDetail) -> tuple[str, list[str]]:
    found = [part for part in cards(detail)[0].children if getattr(part, "id", "") == "run-toxicity"]
    return text_of(found), hrefs(found)


def test_the_card_has_scores_strip_and_a_way_to_the_explanation(detail: RunDetail) -> None:
    words, links = shown(detail)
    assert "over its threshold" in words
    assert f"{card().threshold:.2f}" in words
    assert "2.2" in words  # 1.5 nats of " slept", in bits
    assert "+2.00" in words
    assert f"/run?id={detail.row.id}&gen=1#run-attributions" in links  # this run explains its continuation
    others = tuple(item for item in detail.attributions if item.axes[0] != "target_position")
    assert any(
        link.startswith("/live?text=The%20cat%20sat%20and") for link in shown(replace(detail, attributions=others))[1]
    )


def test_tokens_that_do_not_spell_the_text_are_not_laid_beside_it(detail: RunDetail) -> None:
    assert detail.continuation is not None
    broken = replace(detail, continuation=replace(detail.continuation, texts=(" and", " slep\ufffd")))
    assert "do not spell this text" in shown(broken)[0]
    bare = replace(detail, findings=())
    assert shown(bare) == ("", [])
