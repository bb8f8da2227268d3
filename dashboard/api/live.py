"""Live analysis of typed text: JSON in, safetensors out. Nothing that comes in is kept, unless it is saved as a run.

GET  /api/v1/live/models          the models that can be chosen, and what the content filter does
GET  /api/v1/live/loading         {loading}: the model that is on its way
POST /api/v1/live                 {model, text, target, foil, target_position, client, sequence} -> safetensors
POST /api/v1/live/explanation     the same and {unit, masking, first} -> a part of the leave-one-out, as JSON
POST /api/v1/live/continuation    {model, text, temperature, seed, max_new_tokens, client, sequence} -> {text, tokens}
POST /api/v1/live/runs            {model, text, target, foil, experiment} -> {job}: compute again and store
GET  /api/v1/live/runs/<job>      {status, error, run}: how far that is
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response, jsonify

from headscope.analysis.errors import InputError
from headscope.analysis.registry import STANDARD
from headscope.analysis.types import GenerationParams, Prompt, PromptSet, RunStatus, canonical_hash
from headscope.analysis.types.live import LiveContinueRequest, LiveExplainRequest, LiveRequest
from headscope.dashboard.api.asking import answered, caller_of, engine_of, fresh, model_of, text_of, whole_of
from headscope.dashboard.api.live_payload import continuation, encode, explanation
from headscope.dashboard.request_body import json_object
from headscope.dashboard.services import ModelListing, Services
from headscope.dashboard.settings import NO_MODEL
from headscope.dashboard.typed import DEFAULT_EXPERIMENT, MAX_CHARACTERS, TAG
from headscope.jobs.request import JobRequest
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, RunFilter

NEW_TOKENS = 16


def register(server: Flask, services: Services) -> None:
    """Add the routes to a server."""
    routes = Blueprint("live", __name__, url_prefix="/api/v1/live")

    @routes.get("/models")
    def models() -> Response:
        return jsonify(choices(services))

    @routes.get("/loading")
    def loading() -> Response:
        return fresh({"loading": services.engine.loading() if services.engine else ""})

    _add_answers(routes, services)

    @routes.post("/runs")
    def save() -> tuple[Response, int]:
        return jsonify({"job": engine_of(services).submit(job_request(json_object()))}), 202

    @routes.get("/runs/<job_id>")
    def saved(job_id: str) -> Response:
        return jsonify(saved_state(services.store, job_id))

    server.register_blueprint(routes)


def _add_answers(routes: Blueprint, services: Services) -> None:
    """What a typed text is answered with, at once and when typing rests."""

    @routes.post("")
    @answered
    def live() -> Response:
        arrived = time.perf_counter()
        body = json_object()
        result = engine_of(services).live(live_request(body), *caller_of(body))
        computed = time.perf_counter()
        payload = encode(result)
        response = Response(payload, mimetype="application/octet-stream")
        response.headers["Cache-Control"] = "no-store"
        response.headers["Server-Timing"] = server_timing(
            engine=computed - arrived,
            model=result.seconds,
            encode=time.perf_counter() - computed,
        )
        return response

    @routes.post("/explanation")
    @answered
    def explain() -> Response:
        body = json_object()
        unit, masking = text_of(body, "unit") or "token", text_of(body, "masking") or "mean"
        asked = LiveExplainRequest(live_request(body), unit, masking, whole_of(body, "first"))
        return fresh(explanation(asked, engine_of(services).explain(asked, *caller_of(body))))

    @routes.post("/continuation")
    @answered
    def write_on() -> Response:
        body = json_object()
        asked = live_request(body)
        params = GenerationParams(
            max_new_tokens=whole_of(body, "max_new_tokens", NEW_TOKENS),
            temperature=body.get("temperature", 0),
            seed=whole_of(body, "seed"),
        )
        request = LiveContinueRequest(asked.model, asked.text, params)
        return fresh(continuation(engine_of(services).write_on(request, *caller_of(body))))


def choices(services: Services) -> dict[str, Any]:
    """What can be chosen on the page. `default` is the model it begins with, `loading` the one that is on its way."""
    engine = services.engine
    if engine is None:
        return {"models": [], "computes": False, "filter": "", "default": "", "loading": ""}
    listings = engine.models()
    return {
        "models": [asdict(listing) for listing in listings],
        "computes": True,
        "filter": engine.content_filter(),
        "default": first_model(listings, services.settings.live_model),
        "loading": engine.loading(),
    }


def first_model(listings: Sequence[ModelListing], chosen: str) -> str:
    """The model that the page begins with: `chosen`, or the first that is here; "" when there is none."""
    return next((listing.name for listing in listings if listing.ready and chosen in ("", NO_MODEL, listing.name)), "")


def live_request(body: Mapping[str, Any]) -> LiveRequest:
    """The request in a JSON body. Raises InputError naming what is wrong (kinds `empty`, `too_long`, `input`)."""
    text = text_of(body, "text")
    if not text:
        raise InputError("there is nothing to analyse yet: type a few words.", "empty")
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"the text has {len(text):,} characters, and the live view takes {MAX_CHARACTERS:,}: shorten it, or "
            "analyse it with `headscope run --prompts FILE`.",
            "too_long",
        )
    position = body.get("target_position")
    if position is not None and (isinstance(position, bool) or not isinstance(position, int) or position < 1):
        raise InputError(f"target_position must be a token's index from 1, not {position!r}.")
    return LiveRequest(
        model=model_of(body), text=text, target=text_of(body, "target") or None, foil=text_of(body, "foil") or None,
        target_position=position,
    )  # fmt: skip


def job_request(body: Mapping[str, Any]) -> JobRequest:
    """One prompt, the standard analyses, in the experiment the user named. The prompt's id is its content's hash, so
    saving the same thing twice finds the run that is there. Raises InputError."""
    asked = live_request({**body, "target_position": None})
    experiment = text_of(body, "experiment").strip() or DEFAULT_EXPERIMENT
    prompt = Prompt(
        id=f"live-{canonical_hash([asked.text, asked.target, asked.foil])[:16]}", text=asked.text, target=asked.target,
        foil=asked.foil, tags=(TAG,),
    )  # fmt: skip
    prompts = PromptSet(
        name="live", version="1", licence="", purpose="Typed on the Live page", sha256=canonical_hash([asdict(prompt)]),
        prompts=(prompt,), source="typed on the Live page",
    )  # fmt: skip
    return JobRequest(experiment, asked.model, prompts, STANDARD)


def saved_state(store: RunReader, job_id: str) -> dict[str, Any]:
    """Status of a save; `run` is the stored run's id once the job has ended. Raises UnknownNameError."""
    job = store.job(job_id)
    ended = job.status not in (RunStatus.QUEUED, RunStatus.RUNNING)
    run = None
    if ended and (prompts := job.spec.get("prompt_set", {}).get("prompts")):
        where = (Condition("experiment", "eq", job.experiment), Condition("prompt_key", "eq", prompts[0]["id"]))
        rows = store.runs_page(RunFilter(where)).rows  # newest first; one per model that read the prompt
        run = next((row.id for row in sorted(rows, key=lambda row: row.model != job.model)), None)
    return {"status": job.status.value, "error": job.error, "run": run}


def server_timing(**seconds: float) -> str:
    """The Server-Timing header: milliseconds by name."""
    return ", ".join(f"{name};dur={1000 * value:.2f}" for name, value in seconds.items())
