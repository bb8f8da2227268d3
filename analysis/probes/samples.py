"""Several continuations of one prompt, for probes that ask how much a model's answers vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headscope.analysis.interfaces import TextBackend
from headscope.analysis.types import GenerationParams, RunResult


def sampled(backend: TextBackend, results: Sequence[RunResult], params: Mapping[str, Any]) -> list[list[str]]:
    """`[result][sample]`: continuations that differ by their seed only; a prompt's do not depend on its batch."""
    tokenized = [result.trace.tokens for result in results if result.trace is not None]
    length, temperature, top_p = params["max_new_tokens"], params["temperature"], params["top_p"]
    drawn = [
        backend.generate(tokenized, GenerationParams(length, temperature, top_p, params["seed"] + i))
        for i in range(params["samples"])
    ]
    return [[draw[row].text for draw in drawn] for row in range(len(tokenized))]
