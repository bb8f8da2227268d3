"""What the Scorer audit page asks of an engine and is answered: one typed text, nothing stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Explaining(StrEnum):
    """How a classifier's logit is shared out over the words it read."""

    INTEGRATED_GRADIENTS = "integrated_gradients"
    CP_LRP = "cp_lrp"
    ATTN_LRP = "attn_lrp"


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """What a classifier of `registry.CLASSIFIERS` says of a text."""

    scorer: str
    text: str


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label's probability, NaN for a text that cannot be judged, and from which one on it is said to be there."""

    label: str
    score: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The text with its group word exchanged for `group`, and the first label's probability then."""

    group: str
    score: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """classifier: the name that would be stored. labels: in its order, the overall one first.

    evidence: the words behind the first label, as stored with a `ToxicityScore`; empty where the classifier has no
    gradients or could not judge. relevance: the same by `Explaining.CP_LRP`, and `terms`, what words do not get;
    unshared: why there is none, "" where there is, or there is no evidence either. found: the group word as it was
    typed, "" for none; exchanged: one per other group. unswapped: why groups were not exchanged, "" where they were.
    caution: what the content filter warns of, "" for nothing.
    """

    request: JudgeRequest
    classifier: str
    labels: tuple[LabelScore, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    found: str = ""
    exchanged: tuple[Exchanged, ...] = ()
    unswapped: str = ""
    seconds: float = 0.0
    caution: str = ""
    relevance: Mapping[str, Any] = field(default_factory=dict)
    unshared: str = ""
