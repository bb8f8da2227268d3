"""The route for interventions: what it asks of the engine, what it answers, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from headscope.analysis.errors import BackendError, InputError, NotApplicable, UnknownNameError
from headscope.analysis.running.intervening import analyse_interventions
from headscope.analysis.types.interventions import Intervention, InterventionRequest, InterventionResult
from headscope.dashboard.api import interventions
from headscope.dashboard.api.interventions import before_and_after
from headscope.dashboard.line import Busy, Superseded
from headscope.dashboard.services import Services
from headscope.jobs.request import JobRequest

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

BODY = {"model": "tiny", "text": "One two three", "target": " a", "foil": " the", "source": "One six three"}


class Recorder:
    """An engine that answers with a real model and remembers what it was asked."""

    def __init__(self, backend: HFCausalBackend | None = None, error: Exception | None = None) -> None:
        self.backend, self.error, self.asked = backend, error, list[tuple[InterventionRequest, str, int]]()
        self.jobs = list[JobRequest]()

    def submit(self, request: JobRequest) -> str:
        self.jobs.append(request)
        return "job-1"

    def intervene(self, request: InterventionRequest, client: str = "", sequence: int = 0) -> InterventionResult:
        self.asked.append((request, client, sequence))
        if self.error is not None:
            raise self.error
        assert self.backend is not None
        return analyse_interventions(self.backend, request)


def post(engine: Recorder | None, body: Any, path: str = "") -> Any:
    server = Flask("test")
    interventions.register(server, Services(None, engine))  # type: ignore[arg-type]
    return server.test_client().post(f"/api/v1/interventions{path}", json=body)


def test_an_answer_has_both_sides(tiny_gpt2: HFCausalBackend) -> None:
    engine = Recorder(tiny_gpt2)
    codes = ["head:1.2:zero", "mlp:0@1:patch"]
    answer = post(engine, {**BODY, "interventions": codes, "parts": True, "client": "me", "sequence": 3})
    assert answer.status_code == 200, answer.json
    asked = InterventionRequest(
        "tiny", "One two three", " a", " the", "One six three", tuple(map(Intervention.parse, codes)), True
    )
    assert engine.asked == [(asked, "me", 3)]
    found, said = analyse_interventions(tiny_gpt2, asked), answer.json
    assert answer.headers["Cache-Control"] == "no-store"
    assert said["before"]["value"] == pytest.approx(found.before.value)
    assert said["after"]["value"] == pytest.approx(found.after.value)
    assert said["after"]["value"] != said["before"]["value"]
    assert said["interventions"] == codes
    assert said["model"] == {"name": found.info.ref.name, "layers": 3, "heads": 4}
    assert (len(said["tokens"]), said["aligned"][-1]) == (len(found.text), [len(found.text) - 1] * 2)
    parts = said["parts"]
    total = sum(map(sum, parts["scores"])) + sum(parts["terms"].values())
    assert total - parts["delta"] == pytest.approx(said["before"]["value"], abs=1e-4)


def test_an_infinite_divergence_is_said_and_is_no_number(tiny_gpt2: HFCausalBackend) -> None:
    found = analyse_interventions(tiny_gpt2, InterventionRequest("tiny", "One two"))
    assert (before_and_after(found)["kl"], before_and_after(found)["no_kl"]) == (0.0, "")
    said = before_and_after(replace(found, kl=float("inf")))
    assert said["kl"] is None
    assert said["no_kl"].startswith("infinite: a token")


def test_without_a_foil_or_source_nothing_is_made_up(tiny_gpt2: HFCausalBackend) -> None:
    said = post(Recorder(tiny_gpt2), {"model": "tiny", "text": "One two"}).json
    assert said["before"]["foil_logprob"] is said["source"] is said["parts"] is None
    assert said["target"]["chosen"] == "predicted"
    assert (said["aligned"], said["no_parts"], said["interventions"]) == ([], "", [])


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ({**BODY, "text": ""}, "empty", "write one"),
        ({**BODY, "text": "x" * 5000}, "too_long", "text has 5,000"),
        ({**BODY, "source": "x" * 5000}, "too_long", "source has 5,000"),
        ({**BODY, "source": 3}, "input", "source must be text"),
        ({**BODY, "model": ""}, "input", "choose a model"),
        ({**BODY, "parts": 1}, "input", "true or false"),
        ({**BODY, "sequence": -1}, "input", "whole number"),
        ({**BODY, "interventions": "mlp:0:zero"}, "intervention", "list of texts"),
        ({**BODY, "interventions": [1]}, "intervention", "list of texts"),
        ({**BODY, "interventions": None}, "intervention", "list of texts"),
        ({**BODY, "interventions": ["mlp"]}, "intervention", "PART:LAYER:CHANGE"),
        ({**BODY, "interventions": ["mlp:0:zero"] * 65}, "intervention", "64"),
        ({**BODY, "source": "", "interventions": ["mlp:0:patch"]}, "intervention", "second prompt"),
        ([], "input", "JSON object"),
    ],
)
def test_bad_requests_are_refused_in_words(body: Any, kind: str, says: str) -> None:
    engine = Recorder()
    answer = post(engine, body)
    assert (answer.status_code, answer.json["kind"]) == (422, kind)
    assert says in answer.json["error"]
    assert engine.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Superseded(), 409),
        (Busy("32 requests wait already"), 503),
        (UnknownNameError("model", "tiny", ["toy"]), 404),
        (InputError("there is no head 9", "intervention"), 422),
        (NotApplicable("its heads cannot be told apart"), 422),
        (BackendError("out of memory"), 422),
    ],
)
def test_what_the_engine_refuses_keeps_its_words(error: Exception, status: int) -> None:
    answer = post(Recorder(error=error), BODY)
    assert answer.status_code == status
    assert answer.json["error"] == (str(error) or "a newer request took this one's place.")


def test_a_server_that_computes_nothing_says_so() -> None:
    assert "headscope serve" in post(None, BODY).json["error"]


def test_saving_submits_one_prompt_with_its_interventions() -> None:
    engine, codes = Recorder(), ["head:1.2:zero", "mlp:0@1:scale:0.5"]
    answer = post(engine, {**BODY, "interventions": codes}, "/runs")
    assert (answer.status_code, answer.json) == (202, {"job": "job-1"})
    (job,) = engine.jobs
    (prompt,) = job.prompt_set.prompts
    assert (job.experiment, job.model, prompt.text, prompt.target, prompt.foil, prompt.tags) == (
        "why", "tiny", "One two three", " a", " the", ("intervention",),
    )  # fmt: skip
    assert job.interventions == tuple(codes)
    assert "saliency" not in job.analyses
    other = interventions.job_request({**BODY, "interventions": codes[:1], "experiment": " mine "})
    assert other.prompt_set.prompts[0].id != prompt.id
    assert other.experiment == "mine"


@pytest.mark.parametrize(
    ("codes", "says"), [([], "nothing is changed"), (["mlp:0:melt"], "no change"), (["mlp:0:patch"], "run is of one")]
)
def test_what_cannot_be_saved_says_so(codes: list[str], says: str) -> None:
    engine = Recorder()
    answer = post(engine, {**BODY, "interventions": codes}, "/runs")
    assert (answer.status_code, engine.jobs) == (422, [])
    assert says in answer.json["error"]
