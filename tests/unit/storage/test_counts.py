"""Counts that are kept: made once however many ask at the same time, again for another version, errors not kept."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from headscope.storage.read.counts import Counts


def together(counts: Counts, answers: list[int | None]) -> list[Future[int]]:
    """Three ask while the first is still counting; `answers` are taken in turn, None being an error."""
    begun, go = Event(), Event()

    def count() -> int:
        begun.set()
        assert go.wait(20)
        answer = answers.pop(0)
        if answer is None:
            raise ValueError("the query was ended")
        return answer

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(counts.get, "key", 1, count)
        assert begun.wait(20)
        asked = [first, *(pool.submit(counts.get, "key", 1, count) for _ in range(2))]
        assert counts.get("other", 1, lambda: 5) == 5  # nobody else waits
        go.set()
    return asked


def test_who_asks_meanwhile_waits_for_the_one_answer() -> None:
    counts, answers = Counts(4), [7, 8, 9]
    assert [one.result() for one in together(counts, list(answers))] == [7, 7, 7]
    assert counts.get("key", 1, lambda: 0) == 7
    assert counts.get("key", 2, lambda: 0) == 0


def test_an_error_is_of_who_counted_and_the_others_count_themselves() -> None:
    first, *others = together(Counts(4), [None, 8, 9])
    with pytest.raises(ValueError, match="the query was ended"):
        first.result()
    assert [one.result() for one in others] == [8, 8]
