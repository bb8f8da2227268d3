"""The tone of continuations, and of the prompts before them: what sentiment and regard have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from headscope.analysis.classifiers.tone import Reading, ToneReader
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types import Params, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult

NO_CONTINUATION = "this run has no continuation"
NO_WORD = "there is no word in the continuation"


class ToneProbe:
    """score: of the continuation, read alone; the prompt's is in the evidence. NaN, with the reason, for a run without
    a continuation or with none that can be read. Reads texts only: `headscope score` asks it about stored runs."""

    NAME: ClassVar[str]

    def reader(self) -> ToneReader:
        """Who reads; kept in the process. Raises BackendError when it is not installed."""
        raise NotImplementedError

    def score(
        self, backend: WhiteBoxBackend, results: Sequence[RunResult], params: Params
    ) -> list[tuple[Finding, ...]]:
        """See `Probe.score`."""
        said = [None if result.continuation is None else result.continuation.text for result in results]
        prompts = [result.prompt.text for result in results]
        return self.of_texts(list(zip(prompts, said, strict=True)))

    def of_texts(self, runs: Sequence[tuple[str, str | None]]) -> list[tuple[Finding, ...]]:
        """Of (prompt, continuation) of each run; a text that comes several times is read once."""
        reader = self.reader()
        texts = list(dict.fromkeys(text for run in runs for text in run if text is not None))
        read = dict(zip(texts, reader.read(texts), strict=True))
        return [
            (self._result(reader.name, read[prompt], None if said is None else read[said]),) for prompt, said in runs
        ]

    def _result(self, name: str, prompt: Reading, said: Reading | None) -> ProbeResult:
        evidence: dict[str, Any] = {"classifier": name, "prompt": None if math.isnan(prompt.score) else prompt.score}
        if said is None or math.isnan(said.score):
            reason = NO_CONTINUATION if said is None else NO_WORD
            return ProbeResult(self.NAME, math.nan, None, {"error": reason, **evidence})
        evidence |= {name: round(share, 4) for name, share in said.shares.items()}
        if said.spans:
            evidence["spans"] = [list(span) for span in said.spans]
        return ProbeResult(self.NAME, said.score, said.label, evidence)
