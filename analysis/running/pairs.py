"""Counterfactual partners in a request: when they count, and what a method reads of them."""

from __future__ import annotations

from dataclasses import replace

from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.registry import needs_pair
from headscope.analysis.running.planning import tokenized
from headscope.analysis.types import ModelInfo, Prompt, RunSpec, TokenizedText, result_key


def key_of(info: ModelInfo, spec: RunSpec, prompt: Prompt) -> str:
    """The result's identity; of the partner only when something asked for reads it."""
    asked = prompt if needs_pair(spec.analyses) else replace(prompt, counterfactual=None)
    return result_key(info, spec, asked, CODE_VERSION)


def partner(backend: WhiteBoxBackend, spec: RunSpec, prompt: Prompt) -> TokenizedText | str | None:
    """The partner as the model reads it under this request, or why it cannot; None without one."""
    if prompt.counterfactual is None or not needs_pair(spec.analyses):
        return None
    try:
        return tokenized(backend, spec, replace(prompt, text=prompt.counterfactual))
    except InputError as error:
        return f"the other prompt of the pair cannot be read: {error}"
