"""Several continuations of one prompt, for probes that ask how much a model's answers vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headscope.analysis.interfaces import CausalBackend, Param
from headscope.analysis.types import GenerationParams, RunResult

PARAMS = (
    Param("samples", "int", 5, "Continuations per prompt.", minimum=2, maximum=100),
    Param("max_new_tokens", "int", 20, "Tokens of each continuation.", minimum=1, maximum=512),
    Param("temperature", "float", 1.0, "1 samples from the model as it is.", minimum=0.01, maximum=5),
    Param("top_p", "float", 0.9, "Nucleus sampling.", minimum=0.01, maximum=1),
    Param("seed", "int", 0, "The same seed gives the same continuations.", minimum=0, maximum=2**31),
)


def sampled(backend: CausalBackend, results: Sequence[RunResult], params: Mapping[str, Any]) -> list[list[str]]:
    """`[result][sample]`: continuations that differ by their seed only; a prompt's do not depend on its batch."""
    tokenized = [result.trace.tokens for result in results if result.trace is not None]
    length, temperature, top_p = params["max_new_tokens"], params["temperature"], params["top_p"]
    drawn = [
        backend.generate(tokenized, GenerationParams(length, temperature, top_p, params["seed"] + i))
        for i in range(params["samples"])
    ]
    return [[draw[row].text for draw in drawn] for row in range(len(tokenized))]
