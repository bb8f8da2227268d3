"""Filters of the runs grid: link, AG Grid's filter model and the store's conditions say the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import given

from headscope.analysis.errors import InputError
from headscope.dashboard import links, viewer
from headscope.dashboard.narrowing import zone
from headscope.dashboard.narrowing.columns import COLUMNS
from headscope.dashboard.narrowing.conditions import (
    RANGE,
    ColumnFilter,
    from_link,
    from_model,
    item_conditions,
    to_model,
)
from headscope.dashboard.narrowing.query import FACETS
from headscope.dashboard.pages.runs.query import RunsQuery, sort_of
from headscope.storage.rows import RUN_COLUMNS, Condition, Sort
from tests.runs_queries import QUERIES, column_filters


@given(QUERIES)
def test_the_page_survives_its_link(query: RunsQuery) -> None:
    read = RunsQuery.from_query(query.to_query())
    assert read == query
    assert read.notes == ()
    assert read.where() == query.where()


@given(column_filters())
def test_a_filter_survives_link_and_grid(item: ColumnFilter) -> None:
    assert from_link(item.link) == item
    (back,) = from_model(to_model([item]))
    assert item_conditions(back) == item_conditions(item)


@given(QUERIES)
def test_only_public_columns_reach_the_store(query: RunsQuery) -> None:
    assert {condition.column for condition in query.where().conditions} <= set(RUN_COLUMNS)
    assert {sort.column for sort in query.order()} <= set(RUN_COLUMNS)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"text": {"filterType": "text", "type": "contains", "filter": "5%_"}}, [Condition("text", "contains", "5%_")]),
        ({"text": {"filterType": "text", "type": "notContains", "filter": "a"}},
         [Condition("text", "not_contains", "a")]),
        ({"n_tokens": {"filterType": "number", "type": "greaterThanOrEqual", "filter": 10}},
         [Condition("n_tokens", "ge", 10)]),
        ({"n_tokens": {"filterType": "number", "type": "equals", "filter": 12}}, [Condition("n_tokens", "eq", 12)]),
        ({"n_tokens": {"filterType": "number", "type": "inRange", "filter": 3, "filterTo": 9}},
         [Condition("n_tokens", "between", (3, 9))]),
        ({"error_kind": {"filterType": "text", "type": "blank"}}, [Condition("error_kind", "is_null")]),
        ({"created_at": {"filterType": "date", "type": "equals", "dateFrom": "2026-02-28 00:00:00", "dateTo": None}},
         [Condition("created_at", "ge", datetime(2026, 2, 28, tzinfo=UTC)),
          Condition("created_at", "lt", datetime(2026, 3, 1, tzinfo=UTC))]),
        ({"created_at": {"filterType": "date", "type": "greaterThan", "dateFrom": "2026-02-28 00:00:00"}},
         [Condition("created_at", "ge", datetime(2026, 3, 1, tzinfo=UTC))]),
    ],
)  # fmt: skip
def test_grid_filters_become_conditions(model: dict[str, Any], expected: list[Condition]) -> None:
    assert [condition for item in from_model(model) for condition in item_conditions(item)] == expected


def test_bits_on_screen_are_nats_in_the_store() -> None:
    (item,) = from_model({"mean_surprisal": {"filterType": "number", "type": "greaterThan", "filter": 2}})
    (condition,) = item_conditions(item)
    assert condition.op == "gt"
    assert condition.value == pytest.approx(2 * math.log(2))


def test_a_measured_number_equals_what_the_grid_shows_for_it() -> None:
    (condition,) = item_conditions(from_link("mean_surprisal:eq:3.14"))
    low, high = condition.value
    assert condition.op == "between"
    assert low / math.log(2) == pytest.approx(3.135)
    assert high / math.log(2) == pytest.approx(3.145)


@pytest.mark.parametrize(
    "model",
    [
        {"weights_sha256": {"filterType": "text", "type": "contains", "filter": "a"}},
        {'text"; drop table runs --': {"filterType": "text", "type": "contains", "filter": "a"}},
        {"text": {"filterType": "text", "type": "raw_sql", "filter": "1=1"}},
        {"n_tokens": {"filterType": "number", "type": "equals", "filter": "many"}},
        {"n_tokens": {"filterType": "number", "type": "equals", "filter": "inf"}},
        {"created_at": {"filterType": "date", "type": "equals", "dateFrom": "yesterday"}},
        {"text": {"operator": "OR", "conditions": []}},
    ],
)
def test_a_filter_that_is_not_known_is_refused(model: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        [item_conditions(item) for item in from_model(model)]


def test_an_unknown_sort_is_refused() -> None:
    assert sort_of([{"colId": "n_tokens", "sort": "desc"}]) == (Sort("n_tokens", True),)
    with pytest.raises(InputError):
        sort_of([{"colId": "id; drop table runs", "sort": "asc"}])


def test_a_bad_link_is_noted_and_the_rest_is_used() -> None:
    query = RunsQuery.from_query("?model=gpt2&f=nope:eq:1&f=n_tokens:ge:4&sort=nope&status=done&x=1")
    assert query.model == ("gpt2",)
    assert query.f == ("n_tokens:ge:4",)
    assert query.sort == query.status == ()
    assert len(query.notes) == 4


def test_a_facet_value_without_name_means_none() -> None:
    facet = next(facet for facet in FACETS if facet.key == "prompt_set")
    assert RunsQuery(prompt_set=("",)).where().conditions == (Condition("prompt_set", "is_null"),)
    on = RunsQuery().toggled(facet, "ioi")
    assert on.prompt_set == ("ioi",)
    assert on.toggled(facet, "ioi") == RunsQuery()
    assert on.toggled(facet, "").prompt_set == ("",)
    assert on.toggled(facet, "").toggled(facet, "ioi") == on
    mixed = RunsQuery.from_query("?prompt_set=&prompt_set=ioi")
    assert mixed.prompt_set == ("ioi",)
    assert len(mixed.notes) == 1


def test_links_from_other_pages() -> None:
    assert links.runs(experiment="a&b", status="failed") == "/runs?status=failed&experiment=a%26b"
    assert links.runs(q="x y") == "/runs?q=x%20y"


def test_every_filter_is_said_in_words() -> None:
    assert from_link("n_tokens:ge:4").words == "Tokens ≥ 4"
    assert from_link(f"mean_surprisal:between:1{RANGE}2.5").words == "Surprisal is between 1 and 2.5 bits"
    assert from_link("target:is_null").words == "Target is empty"


def test_the_link_keeps_the_columns_that_were_chosen() -> None:
    chosen = RunsQuery().with_grid_state({"columns": ["model", "text", "no_such_column"]})
    assert chosen.to_query() == "?cols=model&cols=text"
    assert RunsQuery.from_query(chosen.to_query()) == chosen
    assert chosen.unfiltered() == chosen
    assert RunsQuery().with_grid_state({"columns": None}) == RunsQuery()
    assert len(RunsQuery.from_query("?cols=no_such_column").notes) == 1


def test_log_probabilities_and_margins_are_in_one_unit_surprisal_and_entropy_in_the_other() -> None:
    units = {column.field: (column.unit, column.per_unit) for column in COLUMNS if column.unit}
    for field in ("margin", "target_logprob"):
        assert units[field] == ("nats", 1.0)
    for field in ("mean_surprisal", "next_entropy"):
        assert units[field] == ("bits", math.log(2))


@contextmanager
def viewer_in(name: str) -> Iterator[None]:
    """A request of a viewer whose browser names this zone."""
    server = Flask(__name__)
    viewer.register(server)
    with server.test_request_context(headers={"Cookie": f"headscope-zone={name}"}):
        server.preprocess_request()
        try:
            yield
        finally:
            zone.NAME.set("")


@pytest.mark.parametrize(
    ("name", "begins", "ends", "said"),
    [
        ("Pacific/Auckland", (2026, 11, 25, 11), (2026, 11, 26, 11), "Pacific/Auckland"),
        ("America/New_York", (2026, 11, 26, 5), (2026, 11, 27, 5), "America/New_York"),
        ("no/such zone", (2026, 11, 26), (2026, 11, 27), "UTC"),
        ("../../etc/passwd", (2026, 11, 26), (2026, 11, 27), "UTC"),
    ],
)
def test_a_day_is_the_viewers_and_said_so(name: str, begins: tuple[int, ...], ends: tuple[int, ...], said: str) -> None:
    with viewer_in(name):
        item = from_link("created_at:eq:2026-11-26")
        start, end = item_conditions(item)
        assert (start.value, end.value) == (datetime(*begins, tzinfo=UTC), datetime(*ends, tzinfo=UTC))
        assert item.words == f"Stored is 2026-11-26 ({said})"


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    with viewer_in("Europe/Berlin"):
        start, end = item_conditions(from_link("created_at:eq:2026-10-25"))
    assert (end.value - start.value).total_seconds() == 25 * 3600
