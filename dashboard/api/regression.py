"""Comparisons of two experiments over HTTP, as `headscope check` makes them.

POST /api/v1/check                   {baseline, candidate, fail_on, show_offensive}: the judged comparison as JSON, for
                                     the command where this server holds the file
GET  /api/v1/regression/check.json   the same for the address of the Regression page, as a file
GET  /api/v1/regression/check.xml    as JUnit XML; `covered_export` says what becomes of offensive texts in both
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, request

from headscope.analysis import bounds
from headscope.analysis.errors import InputError
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.api.guard import guard
from headscope.dashboard.pages.regression.query import RegressionQuery
from headscope.dashboard.request_body import json_object
from headscope.dashboard.services import Services
from headscope.jobs import check_document, check_report, regression
from headscope.jobs.regression import Checked

TEXTS = ("baseline", "candidate", "fail_on")
HEADERS = {"Cache-Control": "no-store"}


def register(server: Flask, services: Services) -> None:
    """Add the routes to a server."""
    routes = Blueprint("regression_api", __name__, url_prefix="/api/v1")

    @routes.post("/check")
    @guard(services.settings)
    def check() -> Any:
        body = json_object()
        asked = {name: bounds.text(name, body.get(name, "")) for name in TEXTS}
        shown = bounds.yes_or_no("show_offensive", body.get("show_offensive", False))
        checked = regression.check(services.store, **asked, show_offensive=shown)
        return Response(check_document.document(checked, ""), mimetype="application/json", headers=HEADERS)

    @routes.get("/regression/check.json")
    def as_json() -> Response:
        return csv_export.file("check.json", check_document.document(_checked(services), _here()), "application/json")

    @routes.get("/regression/check.xml")
    def as_junit() -> Response:
        return csv_export.file("check.xml", check_report.as_junit(_checked(services), _here()), "application/xml")

    server.register_blueprint(routes)


def _checked(services: Services) -> Checked:
    query = csv_export.asked(RegressionQuery, covered_export.rest_of_query())
    if not query.chosen:
        raise InputError("a comparison needs a baseline and a candidate.")
    shown = covered_export.shown()
    return regression.check(services.store, query.baseline, query.candidate, query.fail_on, show_offensive=shown)


def _here() -> str:
    return request.host_url.rstrip("/")
