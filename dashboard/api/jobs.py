"""The API the command line hands its work to: jobs and read-only SQL, for programs that hold the server's token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response, request

from headscope.analysis import bounds
from headscope.dashboard.api.guard import View, guard
from headscope.dashboard.request_body import json_object, object_of
from headscope.dashboard.security import is_handed_over
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.dashboard.uploads import Uploads
from headscope.jobs.job import describe
from headscope.jobs.request import JobRequest
from headscope.storage import served
from headscope.storage.sql import readonly


def register(server: Flask, services: Services) -> None:
    """Add the routes; without an engine of its own the server takes no jobs."""
    routes = Blueprint("jobs_api", __name__, url_prefix="/api/v1")
    guarded = guard(services.settings)
    if isinstance(services.engine, ServerEngine):
        _add_jobs(routes, guarded, services.engine, services)
    _add_sql(routes, guarded, services)
    server.register_blueprint(routes)


def _add_jobs(routes: Blueprint, guarded: Callable[[View], View], engine: ServerEngine, services: Services) -> None:
    queue, settings = engine.jobs, services.settings
    _add_parts(routes, guarded, engine, services)

    @routes.post("/jobs")
    @guarded
    def submit() -> Any:
        return {"job_id": queue.submit(_admitted(JobRequest.from_json(json_object()), engine, settings))}, 202

    @routes.post("/jobs/resume")
    @guarded
    def resume() -> Any:
        asked = bounds.text("job", json_object().get("job", ""))
        job = queue.resume(asked, lambda request: _admitted(request, engine, settings))
        return {"job_id": job.id, "told": describe(job)}, 202

    @routes.get("/jobs/<job_id>")
    @guarded
    def state(job_id: str) -> Any:
        now = queue.state(job_id)
        needs = None if now.needs is None else asdict(now.needs)
        return {"status": now.status, "error": now.error, "progress": asdict(now.progress), "needs": needs}

    @routes.post("/jobs/<job_id>/cancel")
    @guarded
    def cancel(job_id: str) -> Any:
        queue.cancel(job_id)
        return {"job_id": job_id}, 202


def _add_parts(routes: Blueprint, guarded: Callable[[View], View], engine: ServerEngine, services: Services) -> None:
    """A request that is larger than one body may be."""
    uploads = Uploads()

    @routes.post("/jobs/parts")
    @guarded
    def begin() -> Any:
        return {"upload": uploads.begin()}, 201

    @routes.put("/jobs/parts/<upload>/<int:at>")
    @guarded
    def add(upload: str, at: int) -> Any:
        uploads.add(upload, at, request.get_data())
        return {"upload": upload}

    @routes.post("/jobs/parts/<upload>")
    @guarded
    def submit_parts(upload: str) -> Any:
        asked = JobRequest.from_json(object_of(uploads.take(upload)))
        return {"job_id": engine.jobs.submit(_admitted(asked, engine, services.settings))}, 202


def _admitted(asked: JobRequest, engine: ServerEngine, settings: Settings) -> JobRequest:
    """Over the network only listed models; the owner of the store's file may name a folder."""
    if not is_handed_over(settings):
        engine.only_listed(asked.model)
    return asked


def _add_sql(routes: Blueprint, guarded: Callable[[View], View], services: Services) -> None:
    @routes.post("/sql")
    @guarded
    def sql() -> Any:
        body = json_object()
        result = readonly.run(
            services.store.url,
            body.get("statement"),  # type: ignore[arg-type]  # checked there, like the others
            limit=body.get("limit", 100_000),
            timeout=body.get("timeout", 60.0),
            values=served.unpack(body.get("params", "")),
        )
        headers = {served.TRUNCATED: "1" if result.truncated else "0"}
        return Response(served.stream(result.table), mimetype="application/vnd.apache.arrow.stream", headers=headers)
