"""What is kept of counts, and that it is counted once however many ask."""

from __future__ import annotations

import threading

import pytest

from headscope.storage.read.counts import Counts
from tests.at_once import at_once


def test_who_asks_for_the_same_at_once_waits_for_the_first() -> None:
    kept, calls, got, together = Counts(2), list[str](), list[str](), threading.Barrier(4)

    def count(key: str) -> str:
        calls.append(key)
        return f"of {key}"

    def ask(key: str) -> None:
        together.wait(30)
        got.append(kept.get(key, 1, lambda: count(key)))

    at_once(ask, ["a", "a", "a", "b"])
    assert sorted(got) == ["of a"] * 3 + ["of b"]
    assert sorted(calls) == ["a", "b"]
    assert kept.get("a", 2, lambda: "newer") == "newer"


def test_a_count_that_fails_is_asked_for_again() -> None:
    kept = Counts(1)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", 1, lambda: 1 / 0)
    assert kept.get("a", 1, lambda: 3) == kept.get("a", 1, lambda: 4) == 3
