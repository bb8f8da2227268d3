from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from flask import Flask
from safetensors.numpy import load

from headscope.analysis.errors import BackendError, InputError, UnknownNameError
from headscope.analysis.types import (
    HEAD_STATS,
    Attribution,
    Continuation,
    GenerationParams,
    HeadSummary,
    ModelInfo,
    ModelRef,
    Target,
    TokenizedText,
    TokenTrace,
)
from headscope.analysis.types.live import (
    LiveContinueRequest,
    LiveExplainRequest,
    LiveExplanation,
    LiveRequest,
    LiveResult,
)
from headscope.dashboard.api import live
from headscope.dashboard.api.live_payload import encode, sqrt_bytes
from headscope.dashboard.line import Busy, Superseded
from headscope.dashboard.services import ModelListing, Services
from headscope.jobs.request import JobRequest

LAYERS, HEADS, TOKENS = 2, 3, 4


def result(request: LiveRequest) -> LiveResult:
    """A small, hand-made result with every kind of missing value in it."""
    rng = np.random.default_rng(0)
    attention = np.tril(rng.random((LAYERS, HEADS, TOKENS, TOKENS)))
    attention /= attention.sum(axis=-1, keepdims=True)
    tokens = TokenizedText(
        "naïve 🦊",
        np.arange(TOKENS, dtype=np.int32),
        ("na", "ïve", " 🦊", ""),
        np.array([[0, 2], [2, 5], [5, 7], [7, 7]], dtype=np.int32),
        np.array([0, 0, 1, 1], dtype=np.int32),
        np.zeros(TOKENS, dtype=np.bool_),
    )
    logprobs = np.array([np.nan, -1.5, -2.5, -0.25], dtype=np.float32)
    topk = np.full((TOKENS, 2), -1.0, dtype=np.float32)
    trace = TokenTrace(
        tokens, logprobs, np.array([-1, 3, 9, 1], np.int32), np.array([np.nan, 2, 3, 4], np.float32),
        np.zeros((TOKENS, 2), np.int32), topk, ((" a", " b"),) * TOKENS, 3.25,
    )  # fmt: skip
    info = ModelInfo(ModelRef(request.model), "Toy", LAYERS, HEADS, HEADS, 8, 100, 64, 1000, "", "folder", "")
    heads = HeadSummary(*(np.full((LAYERS, HEADS), index, dtype=np.float32) for index in range(len(HEAD_STATS))))
    target = Target(5, " a", 1, "predicted", -1.0, 1)
    return LiveResult(request, info, trace, heads, attention.astype(np.float16), target, 0.125)


class Recorder:
    """An engine that answers at once and remembers what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked, self.jobs = error, [], []  # type: ignore[var-annotated]

    def live(self, request: LiveRequest, client: str = "", sequence: int = 0) -> LiveResult:
        self.asked.append(request)
        if self.error:
            raise self.error
        return result(request)

    def explain(self, request: LiveExplainRequest, client: str = "", sequence: int = 0) -> LiveExplanation:
        self.asked.append(request)
        if self.error:
            raise self.error
        scores = np.array([np.nan, 1.0, -0.25, np.nan], dtype=np.float32)
        params = {"unit": request.unit, "masking": request.masking}
        found = Attribution(
            "occlusion", "logprob", " a", None, scores, ("position",), True, -1.0, math.nan, 0.1, params
        )
        return LiveExplanation(found, request.first, request.first + 2, 9)

    def write_on(self, request: LiveContinueRequest, client: str = "", sequence: int = 0) -> Continuation:
        self.asked.append(request)
        if self.error:
            raise self.error
        return Continuation(" sea", np.array([3], np.int32), (" sea",), np.array([-0.5], np.float32), request.params)

    def loading(self) -> str:
        return "toy"

    def content_filter(self) -> str:
        return ""

    def models(self) -> Sequence[ModelListing]:
        return [ModelListing("toy", "folder", 1000)]

    def submit(self, request: JobRequest) -> str:
        self.jobs.append(request)
        return "job-1"


def client(engine: Recorder | None) -> Any:
    server = Flask("test")
    live.register(server, Services(None, engine))  # type: ignore[arg-type]
    return server.test_client()


def read(payload: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    size = int.from_bytes(payload[:8], "little")
    return load(payload), json.loads(json.loads(payload[8 : 8 + size])["__metadata__"]["live"])


def test_the_payload_comes_back_whole() -> None:
    sent = result(LiveRequest("toy", "naïve 🦊", target_position=3))
    arrays, facts = read(encode(sent))
    exact = arrays["attention_half"].view(np.float16)
    assert np.array_equal(exact, sent.attention)
    assert np.abs((arrays["attention"] / 255.0) ** 2 - sent.attention).max() < 1 / 255
    assert np.array_equal(arrays["logprobs"], sent.trace.logprobs, equal_nan=True)
    assert arrays["heads"].shape == (len(HEAD_STATS), LAYERS, HEADS)
    assert facts["tokens"] == ["na", "ïve", " 🦊", ""]
    assert facts["position"] == 3
    assert facts["target"]["foil_logprob"] is None


def test_square_root_bytes_match_the_formula() -> None:
    weights = np.linspace(0, 1, 999, dtype=np.float16)
    assert np.array_equal(sqrt_bytes(weights), np.rint(255 * np.sqrt(weights.astype(np.float32))).astype(np.uint8))


def test_a_request_is_answered_with_tensors_and_timings() -> None:
    engine = Recorder()
    answer = client(engine).post("/api/v1/live", json={"model": "toy", "text": "naïve 🦊", "target": "", "sequence": 1})
    assert answer.status_code == 200
    assert "model;dur=125.00" in answer.headers["Server-Timing"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert engine.asked == [LiveRequest("toy", "naïve 🦊")]
    assert read(answer.data)[1]["seconds"] == 0.125


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"model": "toy", "text": ""}, "empty"),
        ({"model": "toy", "text": "x" * 5000}, "too_long"),
        ({"model": " ", "text": "x"}, "input"),
        ({"model": "toy", "text": 3}, "input"),
        ({"model": "toy", "text": "x", "target_position": 0}, "input"),
        ({"model": "toy", "text": "x", "sequence": "1"}, "input"),
        ([], "input"),
    ],
)
def test_bad_requests_are_refused_in_words(body: Any, kind: str) -> None:
    engine = Recorder()
    answer = client(engine).post("/api/v1/live", json=body)
    assert answer.status_code == 422
    assert answer.json["kind"] == kind
    assert answer.json["error"]
    assert engine.asked == []


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UnknownNameError("model", "nope", ["toy"]), 404, "unknown_model"),
        (InputError("too long for the context", "too_long"), 422, "too_long"),
        (BackendError("out of memory"), 422, "BackendError"),
    ],
)
def test_what_the_engine_refuses_keeps_its_words(error: Exception, status: int, kind: str) -> None:
    answer = client(Recorder(error)).post("/api/v1/live", json={"model": "nope", "text": "x"})
    assert (answer.status_code, answer.json) == (status, {"error": str(error), "kind": kind})


@pytest.mark.parametrize(("error", "status"), [(Superseded(), 409), (Busy("32 requests wait already"), 503)])
def test_waiting_that_leads_nowhere_is_no_fault_of_the_request(error: Exception, status: int) -> None:
    answer = client(Recorder(error)).post("/api/v1/live", json={"model": "toy", "text": "x"})
    assert answer.status_code == status
    assert answer.json["error"]


def test_models_and_a_server_without_an_engine() -> None:
    answer = client(Recorder()).get("/api/v1/live/models").json
    assert answer["models"][0]["name"] == answer["default"] == answer["loading"] == "toy"
    assert client(Recorder()).get("/api/v1/live/loading").json == {"loading": "toy"}
    answer = client(None).get("/api/v1/live/models").json
    assert answer == {"models": [], "computes": False, "filter": "", "default": "", "loading": ""}
    assert client(None).get("/api/v1/live/loading").json == {"loading": ""}
    refused = client(None).post("/api/v1/live", json={"model": "toy", "text": "x"})
    assert "headscope serve" in refused.json["error"]


def test_saving_submits_one_prompt_with_every_analysis() -> None:
    engine = Recorder()
    body = {"model": "toy", "text": "The doctor", "target": " said", "foil": " sat", "experiment": " mine "}
    answer = client(engine).post("/api/v1/live/runs", json=body)
    assert (answer.status_code, answer.json) == (202, {"job": "job-1"})
    job = engine.jobs[0]
    prompt = job.prompt_set.prompts[0]
    assert (job.experiment, job.model, prompt.text, prompt.target, prompt.foil) == (
        "mine", "toy", "The doctor", " said", " sat",
    )  # fmt: skip
    assert "attention" in job.analyses
    assert "saliency" in job.analyses
    assert prompt.id == live.job_request(body).prompt_set.prompts[0].id
    assert prompt.id != live.job_request({**body, "foil": None}).prompt_set.prompts[0].id


def test_a_part_of_an_explanation_comes_back_with_what_it_is_of() -> None:
    engine = Recorder()
    body = {"model": "toy", "text": "naïve 🦊", "foil": " b", "unit": "word", "masking": "delete", "first": 2}
    answer = client(engine).post("/api/v1/live/explanation", json=body)
    assert engine.asked == [LiveExplainRequest(LiveRequest("toy", "naïve 🦊", foil=" b"), "word", "delete", 2)]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["scores"] == [None, 1.0, -0.25, None]
    assert (answer.json["first"], answer.json["stop"], answer.json["units"]) == (2, 4, 9)
    assert answer.json["label"] == "Occlusion"
    assert (answer.json["unit"], answer.json["masking"], answer.json["error"]) == ("word", "delete", None)


def test_a_continuation_comes_back_token_by_token() -> None:
    engine = Recorder()
    body = {"model": "toy", "text": "The", "temperature": 0.7, "seed": 3}
    answer = client(engine).post("/api/v1/live/continuation", json=body)
    assert engine.asked == [LiveContinueRequest("toy", "The", GenerationParams(live.NEW_TOKENS, 0.7, seed=3))]
    assert answer.json == {"text": " sea", "tokens": [{"text": " sea", "logprob": -0.5}]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("explanation", {"first": -1}),
        ("explanation", {"first": "2"}),
        ("continuation", {"temperature": "hot"}),
        ("continuation", {"temperature": -1}),
        ("continuation", {"temperature": None}),
        ("continuation", {"seed": 1.5}),
        ("continuation", {"max_new_tokens": True}),
    ],
)
def test_bad_settings_are_refused_in_words(path: str, body: dict[str, Any]) -> None:
    engine = Recorder()
    answer = client(engine).post(f"/api/v1/live/{path}", json={"model": "toy", "text": "x", **body})
    assert answer.status_code == 422
    assert next(iter(body)) in answer.json["error"]
    assert engine.asked == []


@pytest.mark.parametrize("path", ["explanation", "continuation"])
def test_the_second_steps_are_superseded_and_refused_like_the_first(path: str) -> None:
    for error, status in ((Superseded(), 409), (Busy("32 wait"), 503), (BackendError("out of memory"), 422)):
        answer = client(Recorder(error)).post(f"/api/v1/live/{path}", json={"model": "toy", "text": "x"})
        assert answer.status_code == status


def test_the_page_begins_with_the_chosen_model_or_the_first_that_is_here() -> None:
    listings = [ModelListing("gone", "", ready=False), ModelListing("a", "folder"), ModelListing("b", "folder")]
    assert live.first_model(listings, "") == "a"
    assert live.first_model(listings, "none") == "a"
    assert live.first_model(listings, "b") == "b"
    assert live.first_model(listings[:1], "") == ""
