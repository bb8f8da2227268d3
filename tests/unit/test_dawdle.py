"""Late answers can be had again: the seed is named, and a test alone meets the delays it met among others."""

from __future__ import annotations

import pytest

from tests.dawdle import VARIABLE, Dawdle, seeded


def test_a_seed_is_drawn_and_named_or_the_given_one_kept() -> None:
    given = {VARIABLE: "0.6:1234"}
    assert seeded({}) is None
    assert "0.6:1234" in (seeded(given) or "")
    assert given == {VARIABLE: "0.6:1234"}
    drawn = {VARIABLE: "0.6"}
    said = seeded(drawn)
    seconds, _, seed = drawn[VARIABLE].partition(":")
    assert (seconds, seed.isdigit()) == ("0.6", True)
    assert said is not None
    assert drawn[VARIABLE] in said
    with pytest.raises(ValueError, match="soon"):
        seeded({VARIABLE: "soon"})


def test_the_delays_of_a_test_hang_on_the_seed_and_the_test_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def met(test: str, seed: int, *callbacks: str) -> list[float]:
        monkeypatch.setenv(VARIABLE, f"0.6:{seed}")
        dawdle.begin(test)
        return [dawdle.seconds(name) for name in callbacks]

    dawdle = Dawdle()
    first = met("a", 1, "x", "x", "y")
    assert len(set(first)) == 3
    assert all(0 <= delay <= 0.6 for delay in first)
    met("b", 1, "x", "y", "z")
    assert met("a", 1, "y", "x", "x") == [first[2], *first[:2]]
    assert met("a", 2, "x", "x", "y") != first
    monkeypatch.delenv(VARIABLE)
    assert dawdle.seconds("x") == 0
