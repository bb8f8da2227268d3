"""The API client against a server that misbehaves on purpose: patience, budget, cache, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headscope.analysis.blackbox.answers import Question, parse
from headscope.analysis.blackbox.budget import Budget, BudgetSpent, Rate
from headscope.analysis.blackbox.client import Client, Endpoint, upper_bound
from headscope.analysis.errors import BackendError, InputError
from tests.awkward_api import Awkward, serving


@pytest.fixture
def server() -> Iterator[Awkward]:
    with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waited.append)
    return waited


def client(server: Awkward, folder: Path, budget: Budget | None = None, **changes: Any) -> Client:
    return Client(Endpoint(server.url, "m", **{"parallel": 1, **changes}), budget or Budget(), folder)


def test_busy_and_broken_servers_are_asked_again_with_growing_pauses(
    server: Awkward, tmp_path: Path, pauses: list[float]
) -> None:
    server.script = [(429, {}, {"Retry-After": "7"}), (500, b"oops", {}), (503, {}, {})]
    (answer,) = client(server, tmp_path).ask([Question("hi")])
    assert answer.text == " yes"
    assert len(server.seen) == 4
    assert pauses[0] >= 7  # what the server asked for
    assert pauses[2] > pauses[1] >= 1


def test_a_server_that_stays_away_is_given_up_and_said(server: Awkward, tmp_path: Path) -> None:
    server.script = [(503, {}, {})] * 9
    with pytest.raises(BackendError, match="did not answer in 3 attempts: HTTP 503"):
        client(server, tmp_path, attempts=3).ask([Question("hi")])
    assert len(server.seen) == 3
    with pytest.raises(BackendError, match="did not answer in 2 attempts: ConnectionError"):
        Client(Endpoint("http://127.0.0.1:9/v1", "m", attempts=2), Budget(), tmp_path).ask([Question("hi")])


def test_answers_are_remembered_and_equal_questions_asked_once(server: Awkward, tmp_path: Path) -> None:
    first = client(server, tmp_path)
    first.ask([Question("hi"), Question("hi"), Question("ho")])
    assert (len(server.seen), first.calls) == (2, 2)
    again = client(server, tmp_path)
    again.ask([Question("ho"), Question("hi")])
    assert (len(server.seen), again.calls, again.remembered) == (2, 0, 2)
    client(server, tmp_path, chat=True, candidates=0)  # another way of asking is another question
    assert not any("hi" in path.read_text() for path in tmp_path.rglob("*.json"))  # the prompt is not in the files


def test_a_damaged_answer_is_asked_again(server: Awkward, tmp_path: Path) -> None:
    client(server, tmp_path).ask([Question("hi")])
    (path,) = tmp_path.rglob("*.json")
    path.write_text("{")
    client(server, tmp_path).ask([Question("hi")])
    assert len(server.seen) == 2


def test_the_budget_in_calls_counts_retries_and_is_never_exceeded(server: Awkward, tmp_path: Path) -> None:
    server.script = [(500, {}, {})] * 2
    asker = client(server, tmp_path, Budget(calls=4), parallel=3)
    with pytest.raises(BudgetSpent, match="the budget of 4 calls is spent"):
        asker.ask([Question(str(n)) for n in range(20)])
    assert len(server.seen) == 4
    assert asker.budget.used_calls == 4
    rest = client(server, tmp_path, Budget(calls=100))
    rest.ask([Question(str(n)) for n in range(20)])
    assert rest.remembered == 2  # what the first budget bought is kept


def test_the_budget_in_tokens_is_kept_by_the_upper_bound(server: Awkward, tmp_path: Path) -> None:
    bound = upper_bound(Question("hi"), chat=False)
    asker = client(server, tmp_path, Budget(tokens=bound + 7))
    with pytest.raises(BudgetSpent, match=f"may need {bound} tokens and 2 are left|tokens and .* are left"):
        asker.ask([Question(f"h{n}") for n in range(9)])
    assert asker.budget.used_tokens <= bound + 7
    assert asker.budget.used_tokens == 5 * len(server.seen)  # what the server said it used


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, BackendError, "refuses the key in HEADSCOPE_API_KEY"),
        (404, BackendError, "no model 'm' or no completions"),
        (400, InputError, "refused this prompt"),
    ],
)
def test_refusals_are_said_and_not_repeated(
    server: Awkward, tmp_path: Path, status: int, error: type[Exception], said: str
) -> None:
    server.script = [(status, {"error": "no"}, {})]
    with pytest.raises(error, match=said):
        client(server, tmp_path).ask([Question("hi")])
    assert len(server.seen) == 1


def test_a_server_without_logprobs_is_asked_without(server: Awkward, tmp_path: Path) -> None:
    server.script = [(400, {"error": "unsupported: logprobs"}, {})]
    (answer,) = client(server, tmp_path).ask([Question("hi")])
    assert answer.first is None
    assert ["logprobs" in body for body in server.seen] == [True, False]


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": [{"text": "a", "logprobs": {"content": [{}]}}]}, [1]]
)
def test_an_answer_of_another_shape_is_said(server: Awkward, tmp_path: Path, body: Any) -> None:
    server.script = [(200, body, {})]
    with pytest.raises(BackendError, match="not an OpenAI-style completion"):
        client(server, tmp_path).ask([Question("hi")])


def test_the_key_is_sent_and_kept_out_of_sight(server: Awkward, tmp_path: Path) -> None:
    asker = client(server, tmp_path, key="secret")
    asker.ask([Question("hi")])
    assert server.keys == ["Bearer secret"]
    assert "secret" not in repr(asker.endpoint)
    assert not any("secret" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_both_forms_of_log_probabilities() -> None:
    legacy = {"choices": [{"text": " a b", "logprobs": {"tokens": [" a", " b"], "token_logprobs": [-1, -2],
                           "top_logprobs": [{" a": -1, " c": -3}, {" b": -2}]}}]}  # fmt: skip
    newer = {"choices": [{"message": {"content": " a b"}, "logprobs": {"content": [
        {"token": " a", "logprob": -1,
         "top_logprobs": [{"token": " a", "logprob": -1}, {"token": " c", "logprob": -3}]},
        {"token": " b", "logprob": -2, "top_logprobs": []}]}}]}  # fmt: skip
    one, two = parse(legacy, chat=False), parse(newer, chat=True)
    assert one == two
    assert (one.tokens, one.logprobs, one.first) == ((" a", " b"), (-1.0, -2.0), {" a": -1.0, " c": -3.0})


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://a/v1", "http://user:pass@host/v1", ""])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InputError, match="address"):
        Endpoint(url, "m")


def test_the_rate_spaces_calls_evenly() -> None:
    waited: list[float] = []
    rate = Rate(30, clock=lambda: 0.0)
    for _ in range(3):
        rate.wait(waited.append)
    assert waited == [2.0, 4.0]
    Rate(0).wait(waited.append)
    assert len(waited) == 2
