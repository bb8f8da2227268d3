"""What the Runs page shows: blocks of rows, the facets, and what the grid must show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headscope.analysis.errors import HeadscopeError
from headscope.dashboard import links
from headscope.dashboard.cards import LOG, Children, error_box, guarded
from headscope.dashboard.narrowing.columns import DEFAULT, TELLING, grid_row
from headscope.dashboard.narrowing.conditions import from_model
from headscope.dashboard.narrowing.no_runs import no_runs
from headscope.dashboard.narrowing.query import FACETS
from headscope.dashboard.pages.runs import view
from headscope.dashboard.pages.runs.query import MAX_SELECTED, RunsQuery, sort_of
from headscope.dashboard.parts import warning
from headscope.dashboard.scoped.bar import changed
from headscope.dashboard.services import Services
from headscope.dashboard.status import first_command
from headscope.storage.rows import RunFilter

MAX_BLOCK = 500
ListState = dict[str, Any]


def block(
    services: Services, request: Mapping[str, Any], query: RunsQuery
) -> tuple[dict[str, Any], Children, Children]:
    """One block of rows for the grid, how many there are, and what to show instead when there are none (two queries).

    Filters and sorting of columns come with the request: the grid knows them before the address does.
    """
    try:
        start = max(0, int(request.get("startRow", 0)))
        limit = min(MAX_BLOCK, max(1, int(request.get("endRow", start + 1)) - start))
        where = query.where(from_model(request.get("filterModel") or {}))
        page = services.store.runs_page(where, sort_of(request.get("sortModel") or []), start, limit)
        why = services.store.offensive([row.id for row in page.rows])
    except Exception as error:
        if not isinstance(error, HeadscopeError):
            LOG.exception("could not read runs")
        return {"rowData": [], "rowCount": 0}, None, error_box("read the runs", error)
    query = replace(query, f=tuple(item.link for item in from_model(request.get("filterModel") or {})))
    empty = None if page.total else no_runs(links.RUNS, query, first_command(services.store.url))
    return (
        {"rowData": [grid_row(row, why.get(row.id, {})) for row in page.rows], "rowCount": page.total},
        view.count_text(page.total, query),
        empty,
    )


@guarded("count the runs")
def facets(services: Services, query: RunsQuery) -> Children:
    """The panel (one query)."""
    counts = services.store.facets(query.where(), [facet.column for facet in FACETS], limit=30)
    return view.facets(counts, query)


def cautions(services: Services, query: RunsQuery) -> Children:
    """Said of runs with interventions among those listed."""
    try:
        rows = services.store.model_settings(query.where())
    except HeadscopeError:  # the facets, which ask for the same runs, say what is wrong
        return None
    return [warning(said) for said in changed(rows, "the {runs} here that succeeded", "listed")]


def constants(services: Services) -> dict[str, str]:
    """What the columns say that have the same in every row of the store, which need not be shown (cached counts)."""
    try:
        found = services.store.facets(RunFilter(), list(TELLING), limit=2)
    except HeadscopeError:  # the facets, which ask the same, say what is wrong
        return {}
    same = {name: counts[0].value or "none" for name, counts in found.items() if len(counts) == 1}
    if same.get("target", "none") != "none":
        del same["target"]  # one target everywhere still has its ranks
    return {field: value for name, value in same.items() for field in TELLING[name]}


def list_state(query: RunsQuery, same: Mapping[str, str]) -> ListState:
    """What the grid must show; a new `where` means that its rows are out of date."""
    where = query.without("f", "sort", "sel", "cols")
    default = [field for field in DEFAULT if field not in same]
    return {**query.grid_state(), "where": where.to_query(), "selected": list(query.sel), "q": query.q,
            "limit": MAX_SELECTED, "columns": list(query.cols) or default, "default": default,
            "same": dict(same)}  # fmt: skip
