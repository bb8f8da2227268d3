"""Nothing is sent to another machine without the user's yes: no prompt, no key, not even a question to DNS."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from headscope.analysis.blackbox import reach
from headscope.analysis.blackbox.answers import Question
from headscope.analysis.blackbox.budget import Budget
from headscope.analysis.blackbox.client import Client, Endpoint
from headscope.analysis.errors import BackendError, InputError
from tests.awkward_api import serving

OUTSIDE = (
    "http://api.example.com/v1",
    "https://192.168.1.20:8000/v1",
    "http://10.0.0.1/v1",
    "http://0.0.0.0:8000/v1",
    "http://[2001:db8::1]/v1",
    "http://[::ffff:192.0.2.1]/v1",
    "http://2130706433/v1",
    "http://127.1/v1",
    "http://localhost.example.com/v1",
    "http://127.0.0.1.example.com/v1",
)
HERE = ("http://127.0.0.1:8000/v1", "http://127.9.9.9/v1", "http://[::1]:8000/v1", "http://LOCALHOST:1/v1",
        "http://[::ffff:127.0.0.1]/v1")  # fmt: skip


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that somebody asked the system about; every one is another machine."""
    asked: list[str] = []

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("url", OUTSIDE)
def test_another_machine_needs_a_plain_yes(url: str, looked_up: list[str]) -> None:
    with pytest.raises(InputError, match="set HEADSCOPE_ALLOW_OUTSIDE=yes"):
        Endpoint(url, "m")
    assert looked_up == []
    assert Endpoint(url, "m", outside=True).url == url


@pytest.mark.parametrize("url", HERE)
def test_this_machine_needs_none(url: str) -> None:
    assert Endpoint(url, "m").url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@api.example.com/v1",
        "http://api.example.com#@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=abc",
        "http://127.0.0.1/v1#abc",
        "http://user:pass@127.0.0.1/v1",
        "pass@127.0.0.1:8000",
        "http://127.0.0.1:99999/v1",
        "http:///v1",
    ],
)
def test_addresses_that_can_be_read_in_two_ways_or_hold_more_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="address") as raised:
        Endpoint(url, "m", outside=True)
    assert "pass" not in str(raised.value).replace("password", "")


@pytest.mark.parametrize(("said", "meant"), [("yes", True), ("1", True), ("True", True), ("", False), ("no", False),
                                             ("0", False), ("maybe", False)])  # fmt: skip
def test_the_yes_stands_in_the_environment(monkeypatch: pytest.MonkeyPatch, said: str, meant: bool) -> None:
    monkeypatch.setenv("HEADSCOPE_ALLOW_OUTSIDE", said)
    assert reach.outside_allowed() is meant
    monkeypatch.delenv("HEADSCOPE_ALLOW_OUTSIDE")
    assert reach.outside_allowed() is False


def test_a_localhost_that_is_another_machine_is_refused(tmp_path: Path, looked_up: list[str]) -> None:
    client = Client(Endpoint("http://localhost:9/v1", "m"), Budget(), tmp_path)
    with pytest.raises(BackendError, match=r"localhost is 203\.0\.113\.7 here, which is not this machine"):
        client.ask([Question("hi")])
    assert looked_up == ["localhost"]  # and no connection was made


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_said_and_not_followed(tmp_path: Path, status: int, outside: bool) -> None:
    with serving() as first, serving() as other:
        first.otherwise = (status, {}, {"Location": f"{other.url}/completions"})
        client = Client(Endpoint(first.url, "m", key="k-secret-1", outside=outside), Budget(), tmp_path)
        with pytest.raises(BackendError, match=f"sends us on to {other.url}/completions .*nothing was sent there"):
            client.ask([Question("hi")])
        assert len(first.seen) == 1
        assert other.seen == []


def test_neither_a_proxy_nor_a_netrc_of_the_environment_gets_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving() as api, serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        Client(Endpoint(api.url, "m", key="k-secret-1"), Budget(), tmp_path).ask([Question("hi")])
        assert api.keys == ["Bearer k-secret-1"]
        assert proxy.seen == []
