"""What a job may be asked for, whoever asks: the command line, a page, or a JSON body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headscope.analysis import bounds
from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.registry import BACKENDS
from headscope.analysis.types import DEVICE, DTYPES, EXPLAINED, QUANTITIES, GenerationParams, Prompt, PromptSet
from headscope.analysis.types.interventions import of_a_run

if TYPE_CHECKING:
    from headscope.jobs.request import JobRequest

MOST_IN_BATCH = 1024
LONGEST_NAME = 500
MOST_MINUTES = 1_000_000.0
CHOICES = {"quantity": QUANTITIES, "explain": EXPLAINED, "dtype": DTYPES}
SET_TEXTS = ("name", "version", "licence", "purpose", "sha256", "source")


def check(request: JobRequest) -> None:
    """Raises InputError naming the first field that is of the wrong type or out of range."""
    for name in ("experiment", "model"):
        value = bounds.text(name, getattr(request, name))
        if not value.strip() or len(value) > LONGEST_NAME:
            raise InputError(f"{name} must have from 1 to {LONGEST_NAME} characters, not {bounds.shown(value)}.")
    if len(bounds.text("name", request.name)) > LONGEST_NAME:
        raise InputError(f"name must have at most {LONGEST_NAME} characters, not {bounds.shown(request.name)}.")
    for name in ("fresh", "chat", "start_token"):
        bounds.yes_or_no(name, getattr(request, name))
    bounds.whole("batch_size", request.batch_size, 1, MOST_IN_BATCH)
    bounds.whole("seed", request.seed)
    bounds.whole("budget", request.budget)
    bounds.number("max_minutes", request.max_minutes, 0, MOST_MINUTES)
    for name, valid in CHOICES.items():
        if (value := bounds.text(name, getattr(request, name))) not in valid:
            raise UnknownNameError(name, value, valid)
    BACKENDS.find(bounds.text("backend", request.backend))
    if not DEVICE.fullmatch(bounds.text("device", request.device)):
        raise InputError(f"device must be cpu, cuda, cuda:N or mps, not {bounds.shown(request.device)}.")
    if not isinstance(request.generation, GenerationParams):
        raise InputError("generation must be an object of max_new_tokens, temperature, top_p and seed.")
    for name, texts in (("analysis", request.analyses), ("intervention", request.interventions)):
        for value in texts:
            bounds.text(f"every {name}", value)
    of_a_run(request.interventions)
    _check_params(request.params)
    _check_set(request.prompt_set)


def _check_params(params: Any) -> None:
    if params is None:
        return
    if not isinstance(params, Mapping):
        raise InputError("params must be an object of parameters by method.")
    for name, values in params.items():
        if not isinstance(values, Mapping):
            raise InputError(f"params of {name} must be an object of values by name, not {bounds.shown(values)}.")


def _check_set(prompt_set: PromptSet) -> None:
    for name in SET_TEXTS:
        bounds.text(f"{name} of the prompt set", getattr(prompt_set, name))
    for warning in prompt_set.warnings:
        bounds.text("every warning of the prompt set", warning)
    for prompt in prompt_set.prompts:
        _check_prompt(prompt)


def _check_prompt(prompt: Prompt) -> None:
    bounds.text("id of a prompt", prompt.id)
    bounds.text("text of a prompt", prompt.text)
    for name in ("target", "foil", "group", "pair_id", "invalid", "counterfactual"):
        if (value := getattr(prompt, name)) is not None:
            bounds.text(f"{name} of a prompt", value)
    for tag in prompt.tags:
        bounds.text("every tag of a prompt", tag)
