"""What is kept for a while: made once however many ask at the same time, errors not kept, the oldest forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from headscope.dashboard import kept
from headscope.dashboard.kept import Kept


def test_who_asks_meanwhile_waits_for_the_one_answer() -> None:
    made, begun, go = list[str](), Event(), Event()

    def make(key: str) -> str:
        made.append(key)
        begun.set()
        assert go.wait(20)
        return key.upper()

    cache = Kept(make)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(cache.get, "a")
        assert begun.wait(20)
        others = [pool.submit(cache.get, "a") for _ in range(2)]
        go.set()
        assert [one.result(20) for one in (first, *others)] == ["A", "A", "A"]
    assert cache.get("a") == "A"
    assert made == ["a"]


def test_an_error_is_raised_and_not_kept() -> None:
    asked: list[int] = []

    def make(key: int) -> int:
        asked.append(key)
        if len(asked) == 1:
            raise ValueError("not yet")
        return key

    cache = Kept(make)
    with pytest.raises(ValueError, match="not yet"):
        cache.get(1)
    assert (cache.get(1), cache.get(1), asked) == (1, 1, [1, 1])


def test_old_answers_and_those_of_many_keys_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    cache = Kept(lambda key: (asked.append(key), key)[1])
    for key in range(kept.MOST + 2):
        cache.get(key)
    cache.get(kept.MOST + 1)
    assert asked == list(range(kept.MOST + 2))
    cache.get(0)
    assert asked[-1] == 0
    monkeypatch.setattr(kept, "SECONDS", 0.0)
    cache.get(0)
    assert asked[-2:] == [0, 0]
