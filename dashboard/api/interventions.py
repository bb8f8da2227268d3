"""Interventions on a typed prompt, before and after. Nothing that comes in is kept, unless it is saved as a run.

POST /api/v1/interventions         {model, text, target, foil, source, interventions, parts, client, sequence} -> JSON
POST /api/v1/interventions/runs    {model, text, target, foil, interventions, experiment} -> {job}: computed anew and
                                   stored, as GET /api/v1/live/runs/<job> tells

`interventions` is a list of codes like "head:5.3:zero" (`types.interventions.Intervention`), made in their order;
`source` the prompt that a patch takes from; with `parts` the answer has what every head and MLP adds to the logit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Flask, Response

from headscope.analysis.bounds import shown
from headscope.analysis.errors import InputError
from headscope.analysis.registry import MEASUREMENTS, STANDARD
from headscope.analysis.types import Attribution, Prompt, PromptSet, Target, canonical_hash
from headscope.analysis.types.interventions import (
    Intervention,
    InterventionRequest,
    InterventionResult,
    Reading,
    of_a_run,
)
from headscope.dashboard.api.asking import answered, caller_of, engine_of, fresh, model_of, text_of
from headscope.dashboard.request_body import json_object
from headscope.dashboard.services import Services
from headscope.dashboard.typed import MAX_CHARACTERS
from headscope.jobs.request import JobRequest

EXPERIMENT = "why"
"""Where runs with interventions are stored unless another is named: apart from those of the model as it is."""
TAG = "intervention"
INFINITE_KL = "infinite: a token that was possible before has no probability after"


def register(server: Flask, services: Services) -> None:
    """Add the route to a server."""

    @server.post("/api/v1/interventions", endpoint="interventions")
    @answered
    def intervene() -> Response:
        body = json_object()
        return fresh(before_and_after(engine_of(services).intervene(intervention_request(body), *caller_of(body))))

    @server.post("/api/v1/interventions/runs", endpoint="interventions-save")
    @answered
    def save() -> Response:
        response = fresh({"job": engine_of(services).submit(job_request(json_object()))})
        response.status_code = 202
        return response


def job_request(body: Mapping[str, Any]) -> JobRequest:
    """One prompt and the standard measurements, made with the interventions. The prompt's id is its content's hash, so
    saving the same thing twice finds the run that is there. Raises InputError, also for a patch, which no run has."""
    codes = tuple(one.code for one in of_a_run(_codes(body)))
    asked = intervention_request({**body, "source": "", "parts": False})
    if not codes:
        raise InputError("nothing is changed: save the prompt as it is on the Live page.", "intervention")
    key = canonical_hash([asked.text, asked.target, asked.foil, list(codes)])[:16]
    prompt = Prompt(id=f"why-{key}", text=asked.text, target=asked.target, foil=asked.foil, tags=(TAG,))
    prompts = PromptSet(
        name="why", version="1", licence="", purpose="Typed on the Why page", sha256=canonical_hash([asdict(prompt)]),
        prompts=(prompt,), source="typed on the Why page",
    )  # fmt: skip
    experiment = text_of(body, "experiment").strip() or EXPERIMENT
    analyses = tuple(name for name in STANDARD if name in MEASUREMENTS)
    return JobRequest(experiment, asked.model, prompts, analyses, interventions=codes)


def intervention_request(body: Mapping[str, Any]) -> InterventionRequest:
    """The request in a JSON body. Raises InputError (kinds `empty`, `too_long`, `intervention`, `input`)."""
    text, source = _prompt(body, "text"), _prompt(body, "source")
    if not text:
        raise InputError("there is no prompt to change anything in: write one.", "empty")
    codes, parts = _codes(body), body.get("parts", False)
    if not isinstance(parts, bool):
        raise InputError(f"parts must be true or false, not {shown(parts)}.")
    return InterventionRequest(
        model=model_of(body), text=text, target=text_of(body, "target") or None, foil=text_of(body, "foil") or None,
        source=source or None, interventions=tuple(map(Intervention.parse, codes)), parts=parts,
    )  # fmt: skip


def before_and_after(found: InterventionResult) -> dict[str, Any]:
    """The answer as JSON values; what was not measured, or is infinite, is None: `no_kl` and `no_parts` say why."""
    return {
        "tokens": list(found.text.texts),
        "source": None if found.source is None else list(found.source.texts),
        "aligned": [list(pair) for pair in found.aligned],
        "model": {"name": found.info.ref.name, "layers": found.info.n_layers, "heads": found.info.n_heads},
        "target": _target(found.target),
        "interventions": [one.code for one in found.request.interventions],
        "before": _reading(found.before),
        "after": _reading(found.after),
        "candidates": [asdict(one) for one in found.candidates],
        "kl": _finite(found.kl),
        "no_kl": "" if math.isfinite(found.kl) else INFINITE_KL,
        "parts": None if found.parts is None else _parts(found.parts),
        "no_parts": found.no_parts,
        "seconds": found.seconds,
    }


def _codes(body: Mapping[str, Any]) -> list[str]:
    codes = body.get("interventions", [])
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise InputError('interventions must be a list of texts, like ["head:5.3:zero"].', "intervention")
    return codes


def _prompt(body: Mapping[str, Any], name: str) -> str:
    text = text_of(body, name)
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"{name} has {len(text):,} characters, and live interventions take {MAX_CHARACTERS:,}: shorten it.",
            "too_long",
        )
    return text


def _target(target: Target) -> dict[str, Any]:
    names = ("text", "n_tokens", "chosen", "foil_text", "foil_n_tokens")
    return {name: getattr(target, name) for name in names}


def _reading(reading: Reading) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(reading).items()}


def _parts(parts: Attribution) -> dict[str, Any]:
    """scores: `[layer][component]`, heads and last the MLP; with the terms they add up to `value`, but for `delta`."""
    return {
        "scores": [[_finite(score) for score in row] for row in parts.scores.tolist()],
        "terms": dict(parts.outcome.terms),
        "value": _finite(parts.value),
        "delta": _finite(parts.convergence_delta),
        "quantity": parts.quantity,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
