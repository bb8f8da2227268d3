"""Functional tests of a classifier: sentences of one kind each, which none was trained on, and how many of them it
judges as a person would (in the manner of HateCheck, Röttger et al. 2021, arXiv:2012.15606)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from headscope.analysis.classifiers.loaded import TextClassifier
from headscope.analysis.statistics.intervals import wilson

TESTS = Path(__file__).with_name("functional_tests.yaml")


@dataclass(frozen=True, slots=True)
class FunctionalKind:
    """Sentences of one kind; says: the kind in words; toxic: what a person would say of each of them."""

    kind: str
    says: str
    toxic: bool
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FunctionalTest:
    """How a classifier did on one kind. right: how many of `n` sentences; low, high: Wilson's 95 % interval of that
    share. examples: the sentences it scored lowest and highest, as (text, score)."""

    kind: str
    says: str
    toxic: bool
    right: int
    n: int
    low: float
    high: float
    examples: tuple[tuple[str, float], ...]


def kinds() -> tuple[FunctionalKind, ...]:
    """All kinds, in the order of the file."""
    document = yaml.safe_load(TESTS.read_text(encoding="utf-8"))
    return tuple(
        FunctionalKind(kind, item["says"], bool(item["toxic"]), tuple(item["sentences"]))
        for kind, item in document.items()
    )


def measured(judge: TextClassifier, threshold: float) -> list[FunctionalTest]:
    """Every kind, by the first label of `judge` (`toxic`) and whether its score reaches `threshold`."""
    found = []
    for kind in kinds():
        scores = judge.score(kind.sentences)[:, 0].astype(np.float64)
        n, right = len(scores), int(((scores >= threshold) == kind.toxic).sum())
        ends = (int(np.argmin(scores)), int(np.argmax(scores)))
        examples = tuple((kind.sentences[i], float(scores[i])) for i in ends)
        found.append(FunctionalTest(kind.kind, kind.says, kind.toxic, right, n, *wilson(right, n), examples))
    return found
