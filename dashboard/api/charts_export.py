"""GET /api/v1/charts/chart.csv, with the page's query: the numbers that the chart draws, in its units.

The last column of every row is a sentence of method; unmeasured is empty.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response

from headscope.dashboard.api import csv_export
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
        query = csv_export.asked(ChartsQuery)
        drawn = draw(services.store, query)
        column = {"column": query.x, "unit": query.column.unit}
        rows = [{**row, **column} for row in drawn.rows]
        return csv_export.file("chart.csv", csv_export.with_method(rows, method(query, drawn)))

    server.register_blueprint(routes)


def method(query: ChartsQuery, drawn: Drawn) -> str:
    """How the numbers came about."""
    said = SAID[query.kind]
    if drawn.sample:
        shown, total = drawn.sample
        said += f", a fixed random sample of {shown} of {total}." if shown < total else f", all {total}."
    return said + (f" {drawn.left_out} not above 0 are on no logarithmic axis." if drawn.left_out else "")
