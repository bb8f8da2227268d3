"""What else of a run can be explained: its target, its foil, their difference; stored already or computed on request.

GET  /api/v1/runs/<id>/explained                {computes, choices: [{label, target, foil, current, run}]}
POST /api/v1/runs/<id>/explained  {target, foil} -> {job}: the same prompt with the same settings, explaining that
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flask import Blueprint, Flask, Response, jsonify

from headscope.analysis.errors import InputError
from headscope.analysis.types import GenerationParams, Prompt, PromptSet, RunStatus, canonical_hash
from headscope.analysis.types.attributions import partner_of
from headscope.dashboard.request_body import json_object
from headscope.dashboard.services import Services
from headscope.dashboard.text import quoted
from headscope.jobs.request import JobRequest
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, RunDetail, RunFilter


@dataclass(frozen=True, slots=True)
class Choice:
    """A quantity a run could explain; `run` is the id of the newest stored one that does."""

    label: str
    target: str | None
    foil: str | None
    current: bool
    run: str | None


def register(server: Flask, services: Services) -> None:
    """Add the routes."""
    routes = Blueprint("explained_api", __name__, url_prefix="/api/v1/runs/<run_id>/explained")

    @routes.get("")
    def choices(run_id: str) -> Response:
        found = choices_of(services.store, services.store.run(run_id))
        return jsonify({"computes": services.engine is not None, "choices": [asdict(choice) for choice in found]})

    @routes.post("")
    def compute(run_id: str) -> tuple[Response, int]:
        if services.engine is None:
            raise InputError("this server computes nothing: use `headscope run` with the command under Capsule.")
        detail, body = services.store.run(run_id), json_object()
        asked = (body.get("target"), body.get("foil"))
        if asked not in [(choice.target, choice.foil) for choice in choices_of(services.store, detail)]:
            raise InputError(
                f"target and foil must be one of the choices of this run, not {asked[0]!r} and {asked[1]!r}."
            )
        return jsonify({"job": services.engine.submit(again_request(detail, *asked))}), 202

    server.register_blueprint(routes)


def choices_of(store: RunReader, detail: RunDetail) -> tuple[Choice, ...]:
    """What the run explains, its target, its foil, and what stored runs of its prompt do; none without a target."""
    row = detail.row
    if row.target is None:
        return ()
    stored, here = _stored(store, detail), (row.target, row.foil)
    pairs: list[tuple[str, str | None]] = [here, (row.target, None)]
    if row.foil is not None:
        pairs.append((row.foil, None))
    pairs += stored  # others that were asked about the same prompt
    return tuple(Choice(_label(*pair), *pair, pair == here, stored.get(pair)) for pair in dict.fromkeys(pairs))


def _stored(store: RunReader, detail: RunDetail) -> dict[tuple[str, str | None], str]:
    """Newest succeeded run of the same prompt by the same model, by what it explains."""
    where = RunFilter((
        Condition("text", "eq", detail.row.text), Condition("model", "eq", detail.row.model),
        Condition("status", "eq", RunStatus.SUCCEEDED.value),
    ))  # fmt: skip
    found: dict[tuple[str, str | None], str] = {}
    for row in store.runs_page(where).rows:  # newest first
        if row.target is not None:
            found.setdefault((row.target, row.foil), row.id)
    return found


def _label(target: str, foil: str | None) -> str:
    return quoted(target) if foil is None else f"{quoted(target)} − {quoted(foil)}"


def again_request(detail: RunDetail, target: str | None, foil: str | None) -> JobRequest:
    """The run's prompt, model, analyses and settings with another target and foil, in the run's experiment."""
    row, given = detail.row, detail.capsule
    prompt = Prompt(
        id=f"{row.prompt_key or 'prompt'}/explains-{canonical_hash([target, foil])[:8]}", text=row.text or "",
        target=target, foil=foil, group=row.group_name, tags=row.tags, counterfactual=partner_of(detail.attributions),
    )  # fmt: skip
    prompts = PromptSet(
        name=row.prompt_set or "explained", version="1", licence="", purpose="Another quantity of a stored run",
        sha256=canonical_hash([asdict(prompt)]), prompts=(prompt,), source=f"run {row.id}",
    )  # fmt: skip
    generation = detail.continuation.params if detail.continuation is not None else GenerationParams()
    return JobRequest(
        row.experiment, row.model, prompts, detail.analyses, seed=detail.seed or 0, generation=generation,
        params=given.get("params") or None, quantity=given.get("quantity", "logprob"),
        explain=given.get("explain", "next"), dtype=detail.model.ref.dtype, chat=given.get("chat", False),
        start_token=given.get("start_token", False),
        device=given.get("device", "cpu"),
    )  # fmt: skip
