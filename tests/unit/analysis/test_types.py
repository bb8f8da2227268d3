from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from headscope.analysis import registry
from headscope.analysis.errors import HeadscopeError, InputError, NotApplicable, UnknownNameError
from headscope.analysis.params import checked
from headscope.analysis.registry import Param
from headscope.analysis.types import (
    GenerationParams,
    ModelInfo,
    ModelRef,
    Progress,
    Prompt,
    PromptSet,
    RunSpec,
    result_key,
)
from headscope.jobs.request import JobRequest

INFO = ModelInfo(ModelRef("m", weights_sha256="w"), "llama", 2, 2, 1, 8, 50, 64, 1000, "t", "folder", "/m")
PROMPT = Prompt("p", "text", " target", " foil")
SPEC = RunSpec(ModelRef("m"), (PROMPT,), ("heads", "saliency"), 0, GenerationParams(), {"saliency": {"norm": 1}})


def test_the_spec_hash_ignores_order_and_prompts_and_sees_everything_else() -> None:
    same = replace(SPEC, prompts=(), analyses=("saliency", "heads"), params={"heads": {}, "saliency": {"norm": 1}})
    assert same.spec_hash == SPEC.spec_hash
    for other in (
        replace(SPEC, seed=1),
        replace(SPEC, analyses=("heads",)),
        replace(SPEC, generation=GenerationParams(5)),
        replace(SPEC, params={"saliency": {"norm": 2}}),
        replace(SPEC, model=ModelRef("m", dtype="bfloat16")),
        replace(SPEC, start_token=True),
    ):
        assert other.spec_hash != SPEC.spec_hash


def test_a_result_is_keyed_by_weights_not_by_name() -> None:
    key = result_key(INFO, SPEC, PROMPT, "1")
    renamed = replace(INFO, ref=replace(INFO.ref, name="other"), path="/elsewhere")
    assert result_key(renamed, SPEC, replace(PROMPT, id="q", tags=("x",)), "1") == key
    for other in (
        result_key(replace(INFO, ref=replace(INFO.ref, weights_sha256="v")), SPEC, PROMPT, "1"),
        result_key(replace(INFO, tokenizer_sha256="u"), SPEC, PROMPT, "1"),
        result_key(INFO, SPEC, replace(PROMPT, text="text "), "1"),
        result_key(INFO, SPEC, replace(PROMPT, foil=None), "1"),
        result_key(INFO, SPEC, PROMPT, "2"),
        result_key(INFO, replace(SPEC, seed=2), PROMPT, "1"),
    ):
        assert other != key


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("model", "x", ["b", "a"], "Try a."),
        InputError("empty prompt", "empty"),
        NotApplicable("no attention"),
        HeadscopeError("plain"),
    ],
)
def test_errors_cross_process_borders_whole(error: HeadscopeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_a_job_request_survives_json() -> None:
    sets = PromptSet("s", "1", "CC0", "why", "0" * 64, (PROMPT, Prompt("e", "", tags=("a", "b"))), warnings=("w",))
    request = JobRequest("exp", "m", sets, ("heads",), 8, 3, GenerationParams(4, 0.5, 0.9, 3), {"saliency": {"n": 1}})
    assert JobRequest.from_json(request.to_json()) == request


@pytest.mark.parametrize("data", [{}, {"prompt_set": {}, "analyses": []}, {"prompt_set": 3, "analyses": []}])
def test_what_is_no_job_request_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InputError, match="not a job request"):
        JobRequest.from_json(data)


def test_prompts_of_one_id_are_refused_wherever_a_set_is_made() -> None:
    with pytest.raises(InputError, match="prompts 1 and 3 of 's' both have the id 'p'"):
        PromptSet("s", "1", "CC0", "why", "0" * 64, (Prompt("p", "x"), Prompt("q", "x"), Prompt("p", "y")))
    good = PromptSet("s", "1", "CC0", "why", "0" * 64, (Prompt("p", "x"), Prompt("q", "x")))
    with pytest.raises(InputError, match="prompts 1 and 2 of 's' both have the id 'q'"):
        replace(good, prompts=(good.prompts[1], replace(good.prompts[0], id="q")))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"id": "a"}, "prompts 1 and 2 of 's' both have the id 'a'"),
        ({"id": 1}, "every field of it is text"),
        ({"id": ""}, "a prompt needs an id"),
        ({"text": None}, "every field of it is text"),
        ({"group": float("nan")}, "every field of it is text"),
        ({"tags": [1]}, "every field of it is text"),
    ],
)
def test_a_job_request_with_prompts_that_cannot_be_told_apart_is_refused(
    changed: dict[str, object], expected: str
) -> None:
    prompts = (Prompt("a", "x", tags=("t",)), Prompt("b", "y"))
    data = JobRequest("exp", "m", PromptSet("s", "1", "CC0", "why", "0" * 64, prompts), ("heads",)).to_json()
    assert JobRequest.from_json(data).prompt_set.prompts == prompts
    data["prompt_set"]["prompts"][1].update(changed)
    with pytest.raises(InputError, match=expected):
        JobRequest.from_json(data)


def test_progress_counts_computed_prompts_only() -> None:
    now = Progress(total=100, done=60, failed=1, cached=40, seconds=10.0)
    assert now.rate == 2.0
    assert now.seconds_left == 20.0
    before = Progress(total=100, done=40, failed=0, cached=40, seconds=0.0)
    assert before.rate != before.rate  # not yet measured: NaN
    assert Progress(5, 5, 0, 5, 0.0).seconds_left == 0.0


def test_analyses_are_parsed_in_registry_order() -> None:
    assert registry.parse_analyses("saliency, heads") == ("heads", "saliency")
    assert registry.parse_analyses("all") == tuple(registry.analyses())
    with pytest.raises(UnknownNameError, match=r"unknown analysis 'salienc'.*saliency"):
        registry.parse_analyses("heads,salienc")


PARAMS = (
    Param("steps", "int", 50, "", 1, 100),
    Param("tolerance", "float", 0.1, ""),
    Param("rule", "choice", "a", "", choices=("a", "b")),
    Param("hold", "bool", True, ""),
)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "7", 7),
        ("tolerance", "1e-3", 1e-3),
        ("rule", "b", "b"),
        ("hold", "false", False),
        ("hold", "True", True),
        ("steps", "5.0", 5),
    ],
)
def test_parameters_take_their_declared_type(name: str, text: str, value: object) -> None:
    assert checked("m", PARAMS, {name: text}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("steps", "many", "must be a whole number"),
        ("steps", "0", "whole number >= 1 and <= 100"),
        ("rule", "c", "one of a, b"),
        ("hold", "maybe", "true or false"),
        ("stepz", "1", "valid names are hold, rule, steps, tolerance"),
    ],
)
def test_a_bad_parameter_is_named(name: str, text: str, says: str) -> None:
    with pytest.raises(HeadscopeError, match=says):
        checked("m", PARAMS, {name: text})
