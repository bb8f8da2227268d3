"""GET /api/v1/charts/chart.csv, with the page's query: the numbers that the chart draws, in its units.

The last column of every row is a sentence of method; unmeasured is empty.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request

from headscope.analysis.errors import InputError
from headscope.dashboard.api.methods_export import written
from headscope.dashboard.pages.charts.drawn import Drawn, draw
from headscope.dashboard.pages.charts.query import ChartsQuery
from headscope.dashboard.services import Services

SAID = {
    "histogram": "Runs per bin, counted by the database over all runs that match; a bin holds its lower edge.",
    "ecdf": "Share of the measured runs with at most the value, by the database over all runs that match; exact at "
    "every value here, and with many values every half percent.",
    "box": "Quartiles interpolated between neighbours, mean, standard deviation (n - 1) of all measured runs that "
    "match; low and high are the outermost values within 1.5 times the quartiles' distance from them (Tukey).",
    "scatter": "Runs that have both columns",
}


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("charts_export", __name__, url_prefix="/api/v1/charts")

    @routes.get("/chart.csv")
    def chart() -> Response:
        query = ChartsQuery.from_query(request.query_string.decode(errors="replace"))
        if query.notes:
            raise InputError(f"nothing was exported, so that the file is what was asked for. {query.notes[0]}")
        drawn = draw(services.store, query)
        head = [*(drawn.rows[0] if drawn.rows else ()), "column", "unit", "method"]
        said = [query.x, query.column.unit, method(query, drawn)]
        body = written(head, ([*row.values(), *said] for row in drawn.rows))
        headers = {"Content-Disposition": 'attachment; filename="headscope-chart.csv"', "Cache-Control": "no-store"}
        return Response(body, mimetype="text/csv; charset=utf-8", headers=headers)

    server.register_blueprint(routes)


def method(query: ChartsQuery, drawn: Drawn) -> str:
    """How the numbers came about."""
    said = SAID[query.kind]
    if drawn.sample:
        shown, total = drawn.sample
        said += f", a fixed random sample of {shown} of {total}." if shown < total else f", all {total}."
    return said + (f" {drawn.left_out} not above 0 are on no logarithmic axis." if drawn.left_out else "")
