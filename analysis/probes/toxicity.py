"""Toxicity of the prompt and of its continuation, by a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headscope.analysis.classifiers.loaded import TextClassifier, classifier
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.probes.classifier_words import explained
from headscope.analysis.types import Float32, Params, RunResult
from headscope.analysis.types.findings import Finding, ToxicityScore
from headscope.analysis.types.judging import Explaining

EXPLAINED = "toxic"
SAID = {
    Explaining.INTEGRATED_GRADIENTS: "integrated gradients",
    Explaining.CP_LRP: "CP-LRP",
    Explaining.ATTN_LRP: "AttnLRP",
}
Parts = Sequence[tuple[str, str]]
"""(part, text) of one run; `part` is prompt or continuation."""


class Toxicity:
    """Scores texts, not intentions: a text that quotes hate, or that a group says of itself, may score high. See the
    model card for what the classifier gets wrong."""

    NAME = "toxicity"

    def score(
        self, backend: WhiteBoxBackend, results: Sequence[RunResult], params: Params
    ) -> list[tuple[Finding, ...]]:
        """Every label of every text, in the order of `results`; all texts of a batch go through together."""
        return [*judged(classifier(params["classifier"]), [_texts(result) for result in results])]


def judged(judge: TextClassifier, runs: Sequence[Parts], *, explain: bool = True) -> list[tuple[ToxicityScore, ...]]:
    """Every label of every text, in the order of `runs`; a text that comes several times is read once. explain: say of
    those from `explained_from` on which words did it; one costs as much as scoring fifty or a hundred."""
    texts = list(dict.fromkeys(text for parts in runs for _, text in parts))
    start = explained_from(judge) if explain else None
    scores = {text: _of_text(judge, text, row, start) for text, row in zip(texts, judge.score(texts), strict=True)}
    return [
        tuple(
            ToxicityScore(part, label, score, judge.name, evidence)
            for part, text in parts
            for label, score, evidence in scores[text]
        )
        for parts in runs
    ]


def explained_from(judge: TextClassifier) -> float | None:
    """The `toxic` score from which on a text is explained: .5, or the classifier's own threshold where that is lower;
    None for one that cannot say which words did it."""
    if not isinstance(judge, SequenceClassifier) or EXPLAINED not in judge.labels:
        return None
    return min(0.5, judge.threshold(EXPLAINED))


def _of_text(
    judge: TextClassifier, text: str, row: Float32, start: float | None
) -> list[tuple[str, float, dict[str, Any]]]:
    return [
        (label, float(score), _evidence(judge, text, label, float(score), start))
        for label, score in zip(judge.labels, row, strict=True)
    ]


def _evidence(judge: TextClassifier, text: str, label: str, score: float, start: float | None) -> dict[str, Any]:
    """Of a text scored from `start` on."""
    return {} if start is None or label != EXPLAINED or not score >= start else evidence(judge, text, label)


def evidence(
    judge: TextClassifier, text: str, label: str, method: Explaining = Explaining.INTEGRATED_GRADIENTS
) -> dict[str, Any]:
    """The words that made the classifier say so, as they are stored; {} of one without gradients.

    Raises BackendError where the method does not fit the classifier.
    """
    if not isinstance(judge, SequenceClassifier):
        return {}
    found = explained(judge, text, label, method)
    return {
        "tokens": list(found.tokens),
        "spans": [list(span) for span in found.spans],
        "scores": [round(float(value), 4) for value in found.scores],
        "method": f"{SAID[method]} of the classifier",
        "convergence_delta": round(found.delta, 4),
        "logit": round(found.value, 4),
    } | ({"terms": {name: round(value, 4) for name, value in found.terms.items()}} if found.terms else {})


def _texts(result: RunResult) -> list[tuple[str, str]]:
    """`continuation` is judged alone: a toxic prompt must not colour what the model made of it."""
    return parts_of(result.prompt.text, None if result.continuation is None else result.continuation.text)


def parts_of(prompt: str, continuation: str | None) -> list[tuple[str, str]]:
    """What of a run is judged."""
    return [("prompt", prompt), *([] if continuation is None else [("continuation", continuation)])]
