"""Does a typo, a capital letter or a second space change what the model says next? (CheckList's invariance tests,
Ribeiro et al. 2020, arXiv:2005.04118.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.probes.edits import harmless_edits
from headscope.analysis.types import Params, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult
from headscope.analysis.workspace import Workspace


class HarmlessEdits:
    """score: the share of edits after which another token is the most likely next one.

    evidence: for every edit the text, the token before and after, and the total variation distance of the two
    next-token distributions (0 equal, 1 disjoint).
    """

    NAME = "harmless_edits"

    def score(
        self, backend: WhiteBoxBackend, results: Sequence[RunResult], params: Params
    ) -> list[tuple[Finding, ...]]:
        """One result per prompt; one batched pass per kind of edit, and one without."""
        originals = [result.prompt.text for result in results]
        edited = [harmless_edits(text) for text in originals]
        facts = results[0].capsule if results else {}  # one request's, so all or none
        around = {name: bool(facts.get(name)) for name in ("chat", "start_token")}
        before = _next(backend, originals, around)
        rows: list[list[dict[str, Any]]] = [[] for _ in results]
        for name in dict.fromkeys(name for edits in edited for name in edits):
            chosen = [row for row, edits in enumerate(edited) if name in edits]
            after = _next(backend, [edited[row][name] for row in chosen], around)
            for row, logprobs in zip(chosen, after, strict=True):
                if logprobs is not None and (first := before[row]) is not None:
                    rows[row].append(_change(backend, name, edited[row][name], first, logprobs))
        return [(self._result(changes),) for changes in rows]

    def _result(self, changes: list[dict[str, Any]]) -> ProbeResult:
        share = sum(change["changed"] for change in changes) / len(changes) if changes else float("nan")
        return ProbeResult(self.NAME, share, evidence={"edits": changes})


def _next(backend: WhiteBoxBackend, texts: Sequence[str], around: Mapping[str, bool]) -> list[torch.Tensor | None]:
    """Next-token log-probabilities `[V]` of each text, with what `tokenize` puts around it; None where an edit made it
    too long."""
    tokenized = {}
    for index, text in enumerate(texts):
        try:
            tokenized[index] = backend.tokenize(text, **around)
        except InputError:
            continue
    if not tokenized:
        return [None] * len(texts)
    work = Workspace(backend, list(tokenized.values()), Capture(last_logits_only=True))
    found = dict(zip(tokenized, work.next_logprobs, strict=True))
    return [found.get(index) for index in range(len(texts))]


def _change(
    backend: WhiteBoxBackend, name: str, text: str, before: torch.Tensor, after: torch.Tensor
) -> dict[str, Any]:
    first, second = int(before.argmax()), int(after.argmax())
    tokens = backend.decode([first, second])
    distance = float((before.exp() - after.exp()).abs().sum() / 2)
    return {
        "edit": name,
        "text": text,
        "before": tokens[0],
        "after": tokens[1],
        "changed": first != second,
        "distance": round(distance, 6),
    }
