"""One typed text before a toxicity classifier: its scores, the words behind them, and the scores of the same text about
other groups. Nothing is stored."""

from __future__ import annotations

import math
import time
from typing import Any

from headscope.analysis.classifiers.exchanged import exchanged, groups
from headscope.analysis.classifiers.loaded import TextClassifier, classifier
from headscope.analysis.errors import BackendError
from headscope.analysis.probes.toxicity import evidence
from headscope.analysis.types.judging import Exchanged, Explaining, Judgement, JudgeRequest, LabelScore

MOST_SWAPPED = 600
"""Characters of a text whose groups are exchanged: about one window of the classifier, read once per group."""


def judge_typed(request: JudgeRequest) -> Judgement:
    """What `headscope toxicity score --explain` says of the text, and what the audit asks of its own sentences.

    Raises UnknownNameError, or BackendError when the classifier is not installed.
    """
    started = time.perf_counter()
    judge, text = classifier(request.scorer), request.text
    (scores,) = judge.score([text]).tolist()
    labels = tuple(
        LabelScore(label, score, judge.threshold(label)) for label, score in zip(judge.labels, scores, strict=True)
    )
    why = {} if math.isnan(scores[0]) else evidence(judge, text, judge.labels[0])
    relevance, unshared = _relevance(judge, text) if why else ({}, "")
    found, swaps, unswapped = _exchanged(judge, text)
    return Judgement(
        request, judge.name, labels, why, found, swaps, unswapped, time.perf_counter() - started,
        relevance=relevance, unshared=unshared,
    )  # fmt: skip


def _relevance(judge: TextClassifier, text: str) -> tuple[dict[str, Any], str]:
    """The words by relevance propagation, and why not."""
    try:
        return evidence(judge, text, judge.labels[0], Explaining.CP_LRP), ""
    except BackendError as error:
        return {}, str(error)


def _exchanged(judge: TextClassifier, text: str) -> tuple[str, tuple[Exchanged, ...], str]:
    if len(text) > MOST_SWAPPED:
        return "", (), f"the text has {len(text):,} characters, and groups are exchanged in up to {MOST_SWAPPED}"
    found, texts = exchanged(text, groups())
    if not texts:
        return "", (), "none of the audit's group words stands in the text"
    scores = judge.score(tuple(texts.values()))[:, 0].tolist()
    return found, tuple(Exchanged(group, score) for group, score in zip(texts, scores, strict=True)), ""
