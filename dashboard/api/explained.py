"""What else of a run can be explained: another foil, another quantity, the whole target; stored already or computed.

GET  /api/v1/runs/<id>/explained  {computes, choices: [{label, group, target, foil, quantity, explain, current, run}]}
POST /api/v1/runs/<id>/explained  {target, foil, quantity?, explain?} -> {job}: the same prompt with the same settings,
                                  explaining that; without quantity the run's own, without explain the next token
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, replace

from flask import Blueprint, Flask, Response, jsonify

from headscope.analysis.errors import InputError
from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.types import (
    QUANTITIES,
    GenerationParams,
    Prompt,
    PromptSet,
    RunStatus,
    Target,
    TokenTrace,
    canonical_hash,
)
from headscope.analysis.types.attributions import partner_of
from headscope.dashboard.blotted import blot
from headscope.dashboard.covered import hidden
from headscope.dashboard.request_body import json_object
from headscope.dashboard.services import Services
from headscope.dashboard.text import quoted
from headscope.jobs.request import JobRequest
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Condition, RunDetail, RunFilter

NEWEST = 24
"""So many stored runs of a prompt are looked through."""
RUNNER_UP, CANDIDATE, WHOLE = "Chosen against runner-up", "Against another candidate", "All tokens together"
OTHERS = "Other runs of this prompt"


@dataclass(frozen=True, slots=True)
class Explained:
    """What a run explains: as written in its prompt (target None: the model's own choice), which quantity, and of what
    (`next`, `target`, `continuation`)."""

    target: str | None
    foil: str | None
    quantity: str = "logprob"
    explain: str = "next"


@dataclass(frozen=True, slots=True)
class Choice:
    """Something a run could explain; `run` is the id of the newest stored one that does. group: a heading, or none."""

    explained: Explained
    label: str
    group: str
    current: bool
    run: str | None


def register(server: Flask, services: Services) -> None:
    """Add the routes."""
    routes = Blueprint("explained_api", __name__, url_prefix="/api/v1/runs/<run_id>/explained")

    @routes.get("")
    def choices(run_id: str) -> Response:
        found = choices_of(services.store, services.store.run(run_id))
        if hidden(services.store.offensive([run_id])):
            found = tuple(replace(choice, label=blot(choice.label)) for choice in found)
        return jsonify({"computes": services.engine is not None, "choices": [_plain(choice) for choice in found]})

    @routes.post("")
    def compute(run_id: str) -> tuple[Response, int]:
        if services.engine is None:
            raise InputError("this server computes nothing: use `headscope run` with the command under Capsule.")
        detail, body = services.store.run(run_id), json_object()
        usual = explained_by(detail)
        asked = Explained(body.get("target"), body.get("foil"), body.get("quantity", usual.quantity),
                          body.get("explain", "next"))  # fmt: skip
        if asked not in [choice.explained for choice in choices_of(services.store, detail)]:
            raise InputError(
                f"target, foil, quantity and explain must be one of the choices of this run, not {astuple(asked)!r}."
            )
        return jsonify({"job": services.engine.submit(again_request(detail, asked))}), 202

    server.register_blueprint(routes)


def _plain(choice: Choice) -> dict[str, object]:
    found = asdict(choice)
    return {**found.pop("explained"), **found}


def explained_by(detail: RunDetail) -> Explained:
    """What a stored run explains."""
    given = detail.capsule
    return Explained(detail.row.target, detail.row.foil, given.get("quantity", "logprob"), given.get("explain", "next"))


def choices_of(store: RunReader, detail: RunDetail) -> tuple[Choice, ...]:
    """What the run explains and what else it could: its target, its foil, both against each other, the chosen token
    against the runner-up, the target against any listed candidate, by log-probability and by logit; all tokens of a
    longer target together; what stored runs of its prompt do. None of a model behind an API."""
    target, trace = detail.target, detail.trace
    if target is None or trace is None or detail.model.ref.backend == BLACK_BOX:
        return ()
    here, stored = explained_by(detail), _stored(store, detail)
    groups: dict[Explained, str] = {here: ""}
    for quantity in QUANTITIES:
        for group, one, other in _pairs(here, target, trace):
            groups.setdefault(Explained(one, other, quantity), group)
    if target.chosen == "given" and max(target.n_tokens, target.foil_n_tokens) > 1:
        groups.setdefault(Explained(here.target, here.foil, explain="target"), WHOLE)
    for known in stored:
        groups.setdefault(known, OTHERS)
    stored |= {here: detail.row.id}
    return tuple(
        Choice(asked, _label(asked, target), group, asked == here, stored.get(asked)) for asked, group in groups.items()
    )


def _pairs(here: Explained, target: Target, trace: TokenTrace) -> Iterator[tuple[str, str | None, str | None]]:
    """(group, target, foil): targets and foils as a prompt would write them."""
    yield "", here.target, here.foil
    yield "", here.target, None
    if here.foil is not None:
        yield "", here.foil, None
        yield "", here.foil, here.target
    listed = [
        (int(token), text)
        for token, text in zip(trace.topk_ids[-1], trace.topk_texts[-1], strict=True)
        if text and "\ufffd" not in text  # a part of a character cannot be written
    ]
    if len(listed) > 1:
        yield RUNNER_UP, listed[0][1], listed[1][1]
    for token, text in listed:
        if token != target.token_id:
            yield CANDIDATE, target.text if here.target is None else here.target, text


def _stored(store: RunReader, detail: RunDetail) -> dict[Explained, str]:
    """Newest succeeded run of the same prompt by the same model, by what it explains; of one with a target not those
    without, whose target the model chose."""
    where = RunFilter((
        Condition("text", "eq", detail.row.text), Condition("model", "eq", detail.row.model),
        Condition("status", "eq", RunStatus.SUCCEEDED.value),
    ))  # fmt: skip
    found: dict[Explained, str] = {}
    for row in store.runs_page(where, limit=NEWEST).rows:  # newest first
        if row.target is not None or detail.row.target is None:
            found.setdefault(explained_by(store.run(row.id)), row.id)
    return found


def _label(explained: Explained, target: Target) -> str:
    if explained.explain == "continuation":
        return "every generated token"
    one = quoted(target.text if explained.target is None else explained.target)
    return one if explained.foil is None else f"{one} − {quoted(explained.foil)}"


def again_request(detail: RunDetail, asked: Explained) -> JobRequest:
    """The run's prompt, model, analyses and settings, explaining something else, in the run's experiment."""
    row, given = detail.row, detail.capsule
    prompt = Prompt(
        id=f"{row.prompt_key or 'prompt'}/explains-{canonical_hash(astuple(asked))[:8]}", text=row.text or "",
        target=asked.target, foil=asked.foil, group=row.group_name, tags=row.tags,
        counterfactual=partner_of(detail.attributions),
    )  # fmt: skip
    prompts = PromptSet(
        name=row.prompt_set or "explained", version="1", licence="", purpose="Another quantity of a stored run",
        sha256=canonical_hash([asdict(prompt)]), prompts=(prompt,), source=f"run {row.id}",
    )  # fmt: skip
    generation = detail.continuation.params if detail.continuation is not None else GenerationParams()
    return JobRequest(
        row.experiment, row.model, prompts, detail.analyses, seed=detail.seed or 0, generation=generation,
        params=given.get("params") or None, quantity=asked.quantity,
        explain=asked.explain, dtype=detail.model.ref.dtype, chat=given.get("chat", False),
        start_token=given.get("start_token", False),
        interventions=tuple(given.get("interventions") or ()),
        device=given.get("device", "cpu"), backend=detail.model.ref.backend,
    )  # fmt: skip
