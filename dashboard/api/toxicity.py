"""GET /api/v1/toxicity/rates.csv, with the page's query: the rates of the Toxicity page, and how they were worked out.

The last column of every row is a sentence of method; unmeasured is empty.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response

from headscope.analysis.classifiers.rates import HOLDS, METHOD, as_row
from headscope.dashboard.api import csv_export
from headscope.dashboard.pages.toxicity.query import ToxicityQuery, read_rates
from headscope.dashboard.services import Services


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("toxicity_export", __name__, url_prefix="/api/v1/toxicity")

    @routes.get("/rates.csv")
    def rates() -> Response:
        query = csv_export.asked(ToxicityQuery)
        rows = [as_row(found) for found in read_rates(services.store, query)]
        return csv_export.file("toxicity-rates.csv", csv_export.with_method(rows, f"{METHOD} {HOLDS}"))

    server.register_blueprint(routes)
