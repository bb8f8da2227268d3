"""Requests that do not arrive, and requests that wait for the engine, keep nobody else from being answered."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headscope.dashboard import intake
from headscope.dashboard.intake import DeadlineSocket, Intake
from headscope.dashboard.line import Busy, Line, Slots, Superseded

GUARD = 120  # seconds until a hanging test fails


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not true():
        assert time.monotonic() < end, "this never came"
        time.sleep(0.001)


class Asked:
    """Threads that each take a turn in a line, and what became of them in order."""

    def __init__(self, line: Line) -> None:
        self.line, self.order, self.go = line, [], threading.Event()  # type: ignore[var-annotated]
        self.threads: list[threading.Thread] = []

    def ask(self, client: str, sequence: int) -> None:
        """Returns once the request computes or waits."""
        before = len(self.order) + len(self.line._waiting)
        thread = threading.Thread(target=self._turn, args=(client, sequence), daemon=True)
        self.threads.append(thread)
        thread.start()
        until(lambda: len(self.order) + len(self.line._waiting) > before)

    def _turn(self, client: str, sequence: int) -> None:
        try:
            with self.line.turn(client, sequence):
                self.order.append((client, sequence))
                assert self.go.wait(GUARD)
        except Superseded:
            self.order.append((client, -sequence))

    def finish(self) -> None:
        self.go.set()
        for thread in self.threads:
            thread.join(GUARD)
            assert not thread.is_alive()


def test_the_newest_of_a_clients_requests_waits_and_the_older_leave_the_line() -> None:
    asked = Asked(Line(9))
    asked.ask("a", 1)  # computes
    asked.ask("a", 2)  # waits
    asked.ask("b", 1)  # waits behind it
    asked.ask("a", 3)  # sends a 2 away, and waits behind b
    until(lambda: ("a", -2) in asked.order)
    asked.finish()
    assert asked.order == [("a", 1), ("a", -2), ("b", 1), ("a", 3)]
    with asked.line.turn("a", 1):
        pass  # a page loaded anew starts counting from 1 again


def test_nobody_is_never_newer_than_nobody() -> None:
    asked = Asked(Line(9))
    for _ in range(3):
        asked.ask("", 0)
    asked.finish()
    assert asked.order == [("", 0)] * 3


def test_a_full_line_sends_away_at_once() -> None:
    asked = Asked(Line(2))
    for client in ("a", "b", "c"):
        asked.ask(client, 1)
    with pytest.raises(Busy, match="2 requests wait"), asked.line.turn("d", 1):
        pass
    asked.finish()
    assert len(asked.order) == 3


def test_a_request_that_waits_for_the_engine_gives_its_slot_to_others() -> None:
    slots, order = Slots(1), []

    def other() -> None:
        with slots.hold():
            order.append("other")

    with slots.hold():
        with slots.aside():
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(GUARD)
            assert order == ["other"]
        blocked = threading.Thread(target=other)
        blocked.start()
        assert order == ["other"]
    blocked.join(GUARD)
    assert order == ["other", "other"]
    with slots.aside():
        pass  # nothing was held, nothing is given


@contextmanager
def pair() -> Iterator[tuple[socket.socket, DeadlineSocket]]:
    client, server = socket.socketpair()
    ours = DeadlineSocket(fileno=server.detach())
    with client, ours:
        ours.setblocking(True)
        yield client, ours


def test_a_client_that_pauses_too_long_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pair() as (client, ours):
        client.sendall(b"abc")
        assert ours.recv(10) == b"abc"
        monkeypatch.setattr(intake, "IDLE_SECONDS", 0.01)
        assert ours.recv(10) == b""


def test_a_client_that_drips_has_its_time_for_the_whole_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with pair() as (client, ours):
        monkeypatch.setattr(intake, "READ_SECONDS", -1.0)
        ours.setblocking(True)
        client.sendall(b"abc")
        assert ours.recv(10) == b""
        monkeypatch.setattr(intake, "READ_SECONDS", 60.0)
        ours.setblocking(True)  # the next request on the connection
        assert ours.recv(10) == b"abc"


def call(taken: Intake, body: bytes, length: int | None, **more: str) -> tuple[str, bytes]:
    told: list[str] = []
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO(body), **more}
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    answer = b"".join(taken(environ, lambda status, headers: told.append(status)))
    return told[0], answer


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]


def test_a_body_is_read_whole_before_the_app_is_asked() -> None:
    taken = Intake(echo, Slots(1), most=100)
    assert call(taken, b"x" * 100, 100) == ("200 OK", b"x" * 100)
    assert call(taken, b"", None) == ("200 OK", b"")
    assert call(taken, b"abc", None, HTTP_TRANSFER_ENCODING="chunked") == ("200 OK", b"abc")


def test_half_a_body_is_refused_with_the_reason() -> None:
    status, answer = call(Intake(echo, Slots(1), most=100), b"x" * 40, 100)
    assert status.startswith("408")
    assert b"did not arrive" in answer


def test_a_body_that_is_too_long_is_not_read() -> None:
    source = io.BytesIO(b"x" * 500)
    environ = {"wsgi.input": source, "CONTENT_LENGTH": "500"}
    list(Intake(lambda environ, start: [], Slots(1), most=100)(environ, lambda *_: None))
    assert source.tell() == 0


def test_readers_are_fewer_than_threads() -> None:
    arrived, go = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            arrived.set()
            assert go.wait(GUARD)
            return super().read(*_)

    taken = Intake(echo, Slots(1), most=100, readers=1)
    environ = {"wsgi.input": Slow(b"abc"), "CONTENT_LENGTH": "3"}
    thread = threading.Thread(target=lambda: list(taken(environ, lambda *_: None)))
    thread.start()
    assert arrived.wait(GUARD)
    assert call(taken, b"abc", 3)[0].startswith("503")
    assert call(taken, b"", None) == ("200 OK", b"")  # a page is answered meanwhile
    go.set()
    thread.join(GUARD)
    assert call(taken, b"abc", 3) == ("200 OK", b"abc")
    assert intake.READERS < intake.THREADS
