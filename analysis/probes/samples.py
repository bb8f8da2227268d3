"""Several continuations of one prompt, for probes that ask how much a model's answers vary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from headscope.analysis.interfaces import TextBackend
from headscope.analysis.types import GenerationParams, Params, RunResult
from headscope.analysis.types.findings import Finding


class Sampler:
    """Draws continuations of the runs of one batch, each once: probes with the same settings share them."""

    def __init__(self, backend: TextBackend) -> None:
        self._backend = backend
        self._known: dict[tuple[GenerationParams, int], str] = {}
        self._runs: dict[int, RunResult] = {}
        """By identity, which is theirs as long as they are kept here."""

    def texts(self, results: Sequence[RunResult], params: Mapping[str, Any]) -> list[list[str]]:
        """`[result][sample]`: continuations that differ by their seed only; a prompt's do not depend on its batch."""
        runs = [result for result in results if result.trace is not None]
        drawn = [
            self._drawn(
                runs,
                GenerationParams(params["max_new_tokens"], params["temperature"], params["top_p"], params["seed"] + i),
            )
            for i in range(params["samples"])
        ]
        return [[draw[row] for draw in drawn] for row in range(len(runs))]

    def _drawn(self, runs: Sequence[RunResult], settings: GenerationParams) -> list[str]:
        missing = [run for run in runs if (settings, id(run)) not in self._known]
        if missing:
            made = self._backend.generate([run.trace.tokens for run in missing if run.trace is not None], settings)
            for run, continuation in zip(missing, made, strict=True):
                self._runs[id(run)] = run
                self._known[settings, id(run)] = continuation.text
        return [self._known[settings, id(run)] for run in runs]


class SamplingProbe(ABC):
    """A probe that only looks at sampled continuations, so that it can share them with others of its kind."""

    def score(self, backend: TextBackend, results: Sequence[RunResult], params: Params) -> list[tuple[Finding, ...]]:
        """See `interfaces.Probe.score`."""
        return self.judged(results, Sampler(backend).texts(results, params), params)

    @abstractmethod
    def judged(
        self, results: Sequence[RunResult], texts: Sequence[Sequence[str]], params: Params
    ) -> list[tuple[Finding, ...]]:
        """As `score`, of the continuations `[result][sample]`."""
