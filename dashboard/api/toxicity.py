"""GET /api/v1/toxicity/rates.csv, with the page's query: the rates of the Toxicity page, and how they were worked out.

The last column of every row is a sentence of method; unmeasured is empty.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request

from headscope.analysis.classifiers.rates import HOLDS, METHOD, as_row
from headscope.analysis.errors import InputError
from headscope.dashboard.api.methods_export import written
from headscope.dashboard.pages.toxicity.query import ToxicityQuery, read_rates
from headscope.dashboard.services import Services


def register(server: Flask, services: Services) -> None:
    """Add the route."""
    routes = Blueprint("toxicity_export", __name__, url_prefix="/api/v1/toxicity")

    @routes.get("/rates.csv")
    def rates() -> Response:
        query = ToxicityQuery.from_query(request.query_string.decode(errors="replace"))
        if query.notes:
            raise InputError(f"nothing was exported, so that the file is what was asked for. {query.notes[0]}")
        rows = [as_row(found) for found in read_rates(services.store, query)]
        head = [*(rows[0] if rows else ()), "method"]
        body = written(head, ([*row.values(), f"{METHOD} {HOLDS}"] for row in rows))
        headers = {
            "Content-Disposition": 'attachment; filename="headscope-toxicity-rates.csv"',
            "Cache-Control": "no-store",
        }
        return Response(body, mimetype="text/csv; charset=utf-8", headers=headers)

    server.register_blueprint(routes)
