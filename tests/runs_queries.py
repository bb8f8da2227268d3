"""Any state of the Runs page, as hypothesis draws it."""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

from headscope.analysis.types import RunStatus
from headscope.dashboard.narrowing.columns import COLUMNS, DATE
from headscope.dashboard.narrowing.conditions import NULL_OPS, OPS, ColumnFilter
from headscope.dashboard.pages.runs.query import RunsQuery

NUMBERS = st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6).map(lambda value: round(value, 4))
DAYS = st.dates(min_value=datetime(1990, 1, 1).date(), max_value=datetime(2100, 1, 1).date()).map(str)


@st.composite
def column_filters(draw: st.DrawFn) -> ColumnFilter:
    column = draw(st.sampled_from(COLUMNS))
    op = draw(st.sampled_from([*OPS[column.kind].values(), *NULL_OPS.values()]))
    if op in NULL_OPS.values():
        return ColumnFilter(column, op)
    values = NUMBERS.map(str) if column.is_numeric else DAYS if column.kind == DATE else st.text()
    upper = draw(values) if op == "between" else ""
    return ColumnFilter(column, op, draw(values), upper)


NAMES = st.lists(st.text(min_size=1), max_size=3, unique=True).map(tuple)
QUERIES = st.builds(
    RunsQuery,
    q=st.text(),
    status=st.lists(st.sampled_from(list(RunStatus)), unique=True).map(lambda found: tuple(map(str, found))),
    model=NAMES,
    experiment=NAMES,
    prompt_set=NAMES | st.just(("",)),
    tag=NAMES | st.just(("",)),
    f=st.lists(column_filters().map(lambda item: item.link), max_size=4).map(tuple),
    sort=st.lists(st.sampled_from([c.field for c in COLUMNS] + [f"-{c.field}" for c in COLUMNS]), max_size=3).map(
        tuple
    ),
    sel=st.lists(st.uuids().map(str), max_size=3, unique=True).map(tuple),
)
