"""What comes from outside is a finite number in its range, a text, or refused with a sentence that names it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headscope.analysis import bounds
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.params import checked
from headscope.analysis.registry import Param
from headscope.analysis.statistics import check_rules
from headscope.analysis.types import GenerationParams, Prompt, PromptSet
from headscope.dashboard.narrowing.conditions import from_link
from headscope.jobs.request import JobRequest

SETS = PromptSet("s", "1", "", "", "0", (Prompt("a", "The cat"),))
REQUEST = JobRequest("exp", "m", SETS, ("heads",))
NO_NUMBERS = [math.nan, math.inf, -math.inf, -1, 1e300, 10**30, 10**4000, "5", None, True, [1]]


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("field", ["max_new_tokens", "temperature", "top_p", "seed"])
def test_generation_takes_only_what_can_be_generated_with(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{field} must be a"):
        GenerationParams(**{field: value})


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("field", ["batch_size", "seed"])
def test_a_job_takes_only_whole_numbers_in_range(field: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{field} must be a whole number"):
        replace(REQUEST, **{field: value})


def test_ends_of_ranges_and_numbers_of_numpy_are_taken() -> None:
    assert GenerationParams(np.int64(3), np.float32(0.5), 1, 2**63 - 1).max_new_tokens == 3
    assert replace(REQUEST, batch_size=1024).batch_size == 1024
    assert bounds.seconds("timeout", 3600) == 3600
    assert bounds.seconds("timeout", 0.3) == 0.3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"experiment": 3}, "experiment must be text, not int"),
        ({"experiment": " "}, "experiment must have from 1 to 500 characters"),
        ({"model": "m" * 501}, "model must have from 1 to 500 characters"),
        ({"model": "\ud83e"}, "model is no Unicode text"),
        ({"quantity": []}, "quantity must be text"),
        ({"explain": "nothing"}, "unknown explain 'nothing'"),
        ({"analyses": ("heads", 3)}, "every analysis must be text"),
        ({"params": [1]}, "params must be an object"),
        ({"params": {"saliency": 3}}, "params of saliency must be an object of values"),
        ({"generation": {}}, "generation must be an object"),
        ({"prompt_set": replace(SETS, name=None)}, "name of the prompt set must be text"),
        ({"prompt_set": replace(SETS, prompts=(Prompt("a", []),))}, "text of a prompt must be text, not list"),
        ({"prompt_set": replace(SETS, prompts=(Prompt("a", "b", target=3),))}, "target of a prompt must be text"),
        ({"prompt_set": replace(SETS, prompts=(Prompt("a", "b", tags=(None,)),))}, "every tag of a prompt"),
    ],
)
def test_a_job_of_wrong_types_is_refused_in_words(change: dict[str, Any], says: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=says):
        replace(REQUEST, **change)
    with pytest.raises((InputError, UnknownNameError)):
        JobRequest.from_json({**REQUEST.to_json(), "batch_size": "many"})


def test_parameters_of_methods_are_finite() -> None:
    declared = (Param("scale", "float", 1.0, "", minimum=0),)
    for value in ("inf", "nan", "1e999", math.inf, math.nan, 10**400):
        with pytest.raises(InputError, match="scale must be a number"):
            checked("m", declared, {"scale": value})


@pytest.mark.parametrize("rule", ["accuracy:inf", "accuracy:nan", "flips:1e999", "flips:-1"])
def test_an_allowance_that_switches_a_rule_off_is_refused(rule: str) -> None:
    with pytest.raises(InputError, match="does not know"):
        check_rules.parse(rule)


@pytest.mark.parametrize(
    "link", ["n_tokens:ge:1e300", "n_tokens:between:1..1e19", "perplexity:lt:inf", "created_at:eq:9999-12-31"]
)
def test_a_filter_beyond_what_a_database_holds_is_refused(link: str) -> None:
    with pytest.raises(InputError):
        from_link(link)
