"""The API the command line hands its work to: jobs and read-only SQL, for programs that hold the server's token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

import pyarrow as pa
from flask import Blueprint, Flask, Response, request

from analysis.errors import InputError
from analysis.jobs import JobRequest, describe
from dashboard.jobs import JobQueue, ServerEngine
from dashboard.security import error_json
from dashboard.services import Services
from storage import readonly_sql

View = Callable[..., Any]


def register(server: Flask, services: Services) -> None:
    """Add the routes; without an engine of its own the server takes no jobs."""
    routes = Blueprint("jobs_api", __name__, url_prefix="/api/v1")
    guarded = _guard(services.settings.api_token)
    queue = services.engine.jobs if isinstance(services.engine, ServerEngine) else None
    if queue is not None:
        _add_jobs(routes, guarded, queue)
    _add_sql(routes, guarded, services)
    server.register_blueprint(routes)


def _guard(token: str) -> Callable[[View], View]:
    """Ask for the token before a route does anything."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(**arguments: str) -> Any:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not token or not hmac.compare_digest(given.encode(), token.encode()):
                return error_json("this needs the server's token (the .owner file beside the store has it).", 401)
            return view(**arguments)

        return guarded

    return decorate


def _add_jobs(routes: Blueprint, guarded: Callable[[View], View], queue: JobQueue) -> None:
    @routes.post("/jobs")
    @guarded
    def submit() -> Any:
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            raise InputError("the body must be a JSON object.")
        return {"job_id": queue.submit(JobRequest.from_json(body))}, 202

    @routes.post("/jobs/resume")
    @guarded
    def resume() -> Any:
        body = request.get_json(silent=True)
        job = queue.resume(str(body.get("job") or "") if isinstance(body, dict) else "")
        return {"job_id": job.id, "told": describe(job)}, 202

    @routes.get("/jobs/<job_id>")
    @guarded
    def state(job_id: str) -> Any:
        now = queue.state(job_id)
        return {"status": now.status, "error": now.error, "progress": asdict(now.progress)}

    @routes.post("/jobs/<job_id>/cancel")
    @guarded
    def cancel(job_id: str) -> Any:
        queue.cancel(job_id)
        return {"job_id": job_id}, 202


def _add_sql(routes: Blueprint, guarded: Callable[[View], View], services: Services) -> None:
    @routes.post("/sql")
    @guarded
    def sql() -> Any:
        body = request.get_json(silent=True)
        if not isinstance(body, dict) or not isinstance(body.get("statement"), str):
            raise InputError('the body must be a JSON object with "statement".')
        result = readonly_sql.run(
            services.store.url,
            body["statement"],
            limit=int(body.get("limit", 100_000)),
            timeout=float(body.get("timeout", 60.0)),
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, result.table.schema) as writer:
            writer.write_table(result.table)
        headers = {"X-Headscope-Truncated": "1" if result.truncated else "0"}
        return Response(sink.getvalue().to_pybytes(), mimetype="application/vnd.apache.arrow.stream", headers=headers)
