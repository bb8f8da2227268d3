"""View state in the URL: round trips for any text, and bad links that fall back with a note."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscope.dashboard.link_state import QueryState, choice, number, parse_query


@dataclass(frozen=True, slots=True)
class Sample(QueryState):
    text: str = ""
    view: str = choice("matrix", "links")
    layer: int = number(0, low=0, high=99)
    head: int | None = number(None, low=0)
    scale: float = number(1.0, low=-1e6, high=1e6)
    nats: bool = False
    tags: tuple[str, ...] = ()


SAMPLES = st.builds(
    Sample,
    text=st.text(),
    view=st.sampled_from(["matrix", "links"]),
    layer=st.integers(0, 99),
    head=st.none() | st.integers(0, 10**6),
    scale=st.floats(-1e6, 1e6),
    nats=st.booleans(),
    tags=st.lists(st.text(), max_size=4).map(tuple),
)


@given(SAMPLES)
def test_state_survives_its_link(state: Sample) -> None:
    read = Sample.from_query(state.to_query())
    assert read == state
    assert read.notes == ()


@given(SAMPLES)
def test_parsed_mapping_reads_like_the_string(state: Sample) -> None:
    assert Sample.from_query(parse_query(state.to_query())) == state


@given(st.text())
def test_any_query_string_is_read(query: str) -> None:
    state = Sample.from_query(query)
    assert state.view in {"matrix", "links"}
    assert 0 <= state.layer <= 99


def test_defaults_leave_an_empty_query() -> None:
    assert Sample().to_query() == ""
    assert Sample(text="a b&c", layer=3).to_query() == "?text=a%20b%26c&layer=3"


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("?layer=100", "outside 0 to 99"),
        ("?layer=two", "not a whole number"),
        ("?scale=nan", "outside"),
        ("?view=cards", "can be matrix, links"),
        ("?nats=perhaps", "can be 1 or 0"),
        ("?colour=red", "does not use"),
    ],
)
def test_what_cannot_be_used_is_said(query: str, note: str) -> None:
    state = Sample.from_query(query)
    assert state == Sample()
    assert len(state.notes) == 1
    assert note in state.notes[0]


def test_the_last_of_repeated_values_counts() -> None:
    assert Sample.from_query("?layer=1&layer=2").layer == 2
