"""What is kept of counts, and that it is counted once however many ask."""

from __future__ import annotations

import threading

import pytest

from headscope.storage.read.counts import Counts


def test_who_asks_for_the_same_at_once_waits_for_the_first() -> None:
    kept, got = Counts(2), list[str]()
    second = threading.Thread(target=lambda: got.append(kept.get("a", 1, lambda: "counted twice")))

    def first() -> str:
        second.start()
        second.join(0.1)  # it does not end before this does
        assert second.is_alive()
        assert kept.get("b", 1, lambda: "another") == "another"
        return "counted once"

    got.append(kept.get("a", 1, first))
    second.join()
    assert got == ["counted once"] * 2
    assert kept.get("a", 2, lambda: "newer") == "newer"


def test_a_count_that_fails_is_asked_for_again() -> None:
    kept = Counts(1)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", 1, lambda: 1 / 0)
    assert kept.get("a", 1, lambda: 3) == kept.get("a", 1, lambda: 4) == 3
