"""The key of an API against servers that send it back: it reaches no error, log, file or answer."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.budget import Budget
from headscope.analysis.blackbox.client import Client, Endpoint
from headscope.analysis.blackbox.secret import REDACTED, Secret
from headscope.analysis.errors import HeadscopeError, InputError
from tests.awkward_api import OK, Awkward, Reply, serving

KEY = "sk-T3st/Key+With=Signs&more"
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "bearer": lambda key: f"Bearer {key}",
    "url-quoted": lambda key: quote(key, safe=""),
    "url-quoted in small letters": lambda key: quote(key, safe="").replace("%2F", "%2f"),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "basic, after a user": lambda key: "Basic " + base64.b64encode(f"me:{key}".encode()).decode(),
    "base64 of the header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"u:{key}".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "capitals": str.upper,
    "beginning and end": lambda key: f"{key[:10]}...{key[-9:]}",
    "query": lambda key: f"https://other.example/v1?api_key={quote(key)}",
    "user of an address": lambda key: f"https://{quote(key, safe='')}@other.example/",
}


@pytest.fixture
def server() -> Iterator[Awkward]:
    with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def left_of(key: str, text: str) -> list[str]:
    """Eight letters or more of the key, or of a way to write it, that are in a text."""
    ways = [write(key) for write in WRITTEN.values()] + [base64.b64encode(b"\0" * n + key.encode()).decode()[n + 1 : -4]
                                                        for n in range(3)]  # fmt: skip
    core = {way[at : at + 8] for way in (key, quote(key, safe=""), key.encode().hex(), *ways[-3:]) for at in
            range(len(way) - 7)}  # fmt: skip
    return sorted(piece for piece in core if piece.lower() in text.lower())


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())
def test_every_way_to_write_a_key_is_taken_out(write: Callable[[str], str]) -> None:
    cleaned = Secret(KEY).clean(f"you sent {write(KEY)}, thank you")
    assert REDACTED in cleaned
    assert cleaned.startswith("you sent ")
    assert cleaned.endswith(", thank you")
    assert left_of(KEY, cleaned) == []


def test_without_a_key_an_answer_is_not_walked_through() -> None:
    body = {"first": [{"token": " Paris", "logprob": -0.5}]}  # of a whole vocabulary that took seconds
    assert Secret("").tree(body) is body
    answer = Answer(" Paris", (" Paris",), (-0.5,), {" Paris": -0.5})
    assert Secret("").answer(answer) is answer
    for key in (KEY, "abcde"):
        assert Secret(key).tree([f"Bearer {key}"]) == [f"Bearer {REDACTED}"]


def test_the_check_of_these_tests_finds_what_is_there() -> None:
    assert all(left_of(KEY, f"x {write(KEY)} y") for write in WRITTEN.values())


def test_other_texts_stay_as_they_are() -> None:
    told = "The capital of France is Paris. sk-other/Key Y2FwaXRhbA== %2Fv1"
    assert Secret(KEY).clean(told) == told
    assert Secret("").clean(told) == told
    short = Secret("abcde")  # a short key is a word of its own
    assert short.clean("abcde, abcdef and xabcde") == f"{REDACTED}, abcdef and xabcde"
    for before in (b"", b"u:", b"me:"):
        assert REDACTED in short.clean("Basic " + base64.b64encode(before + b"abcde").decode())


def test_a_key_cut_into_tokens_is_taken_out_and_the_tokens_are_as_many() -> None:
    tokens = (" It", " is", " sk-T3", "st/K", "ey+With", "=Signs&", "more", "!")
    answer = Answer("".join(tokens), tokens, (-1.0,) * 8, {" sk-T3st/Key": -1.0, " a": -2.0}, 9)
    cleaned = Secret(KEY).answer(answer)
    assert cleaned.tokens == (" It", " is", f" {REDACTED}", "", "", "", "", "!")
    assert "".join(cleaned.tokens) == cleaned.text
    assert cleaned.first == {f" {REDACTED}": -1.0, " a": -2.0}
    assert (cleaned.logprobs, cleaned.used) == (answer.logprobs, 9)


def replies(told: str) -> dict[str, Reply]:
    """Ways for a server to say something."""
    say = {"error": {"message": f"wrong key: {told}", told: ["deep", {"in": told}]}}
    escaped = json.dumps(say).encode().decode("ascii")
    return {
        "refused key": (401, say, {}),
        "no model": (404, f"<html>{told}</html>".encode(), {}),
        "refused prompt": (400, say, {}),
        "escaped": (400, "".join(f"\\u{ord(c):04x}" for c in told).join(('{"e": "', '"}')).encode(), {}),
        "between zeros": (400, told.encode("utf-16-le"), {"Content-Type": "text/plain; charset=latin-1"}),
        "redirect": (302, {}, {"Location": f"https://other.example/{told}"}),
        "not JSON": (200, f"key {told}".encode(), {}),
        "another shape": (200, say, {}),
        "no number": (200, {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "token_logprobs": [told]}}]}, {}),
        "status line": (0, f"{told} 200 OK\r\n\r\n".encode(), {}),
        "chunk": (0, f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{told}\r\n".encode(), {}),
        "busy": (503, say, {"Retry-After": told}),
        "twice JSON": (400, {"error": escaped}, {}),
    }


@pytest.mark.parametrize("way", replies(""))
@pytest.mark.parametrize("written", ["as it is", "url-quoted", "basic, after a user"])
def test_a_server_that_echoes_the_key_brings_it_nowhere(
    server: Awkward, tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str, written: str
) -> None:
    server.otherwise = replies(WRITTEN[written](KEY))[way]
    client = Client(Endpoint(server.url, "m", key=KEY, attempts=2), Budget(), tmp_path)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(HeadscopeError) as raised:
        client.ask([Question("hi")])
    assert set(server.keys) == {f"Bearer {KEY}"}
    shown = "".join(traceback.format_exception(raised.value))
    assert left_of(KEY, f"{shown} {raised.value!r} {caplog.text}") == []


def test_a_header_nobody_can_read_is_logged_without_the_key(
    server: Awkward, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps(OK)
    server.otherwise = (0, f"HTTP/1.1 200 OK\r\n{KEY}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode(), {})
    client = Client(Endpoint(server.url, "m", key=KEY, attempts=1), Budget(), tmp_path)
    client.ask([Question("hi")])
    assert REDACTED in caplog.text  # the library warned of it
    assert left_of(KEY, caplog.text) == []


def test_an_answer_with_the_key_is_kept_without_it(server: Awkward, tmp_path: Path) -> None:
    tokens = ["Your", " key", " is", " sk-T3st/", "Key+With=", "Signs&more"]
    told = {"tokens": tokens, "token_logprobs": [-1] * 6, "top_logprobs": [{KEY: -1.5, "Your": -1}] + [{}] * 5}
    server.otherwise = (200, {"choices": [{"text": "".join(tokens), "logprobs": told}]}, {})
    client = Client(Endpoint(server.url, "m", key=KEY), Budget(), tmp_path)
    (answer,) = client.ask([Question("hi")])
    assert answer.text == f"Your key is {REDACTED}"
    assert len(answer.tokens) == 6
    assert answer.first == {REDACTED: -1.5, "Your": -1.0}
    assert all(left_of(KEY, path.read_text()) == [] for path in tmp_path.rglob("*.json"))
    (path,) = tmp_path.rglob("*.json")
    path.write_text(path.read_text().replace(REDACTED, KEY))  # as an earlier version kept it
    assert left_of(KEY, str(client.ask([Question("hi")]))) == []


@pytest.mark.parametrize("changes", [{"url": f"http://127.0.0.1:1/{quote(KEY, safe='')}/v1"}, {"model": KEY}])
def test_what_is_stored_may_not_hold_the_key(changes: dict[str, str]) -> None:
    with pytest.raises(InputError, match="HEADSCOPE_API_KEY only") as raised:
        Endpoint(**{"url": "http://127.0.0.1:1/v1", "model": "m", **changes}, key=KEY)
    assert left_of(KEY, str(raised.value)) == []


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "clé-clé-clé"])
def test_a_key_no_header_can_carry_is_refused_unseen(key: str) -> None:
    with pytest.raises(InputError, match="no header can carry it") as raised:
        Endpoint("http://127.0.0.1:1/v1", "m", key=key)
    assert key not in str(raised.value)
