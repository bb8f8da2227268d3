"""What the Live page asks of an engine and is answered: one typed text, nothing stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Attribution, GenerationParams, HeadSummary, ModelInfo, Target, TokenTrace

MOST_LIVE_TOKENS = 256
"""Every head's pattern goes to the Live page: 256 tokens of a model of 30 x 9 heads are 35 MB."""


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """One look at a typed prompt. Without `target_position` the next token is explained (`target`, else the top-1);
    with it, token `target_position` (>= 1) given the tokens before it."""

    model: str
    text: str
    target: str | None = None
    foil: str | None = None
    target_position: int | None = None


@dataclass(frozen=True, slots=True)
class LiveResult:
    """What the Live page draws first; nothing of it is stored. attention: float16 `[layer, head, query, key]`.

    caution: what the content filter warns of, empty for nothing.
    """

    request: LiveRequest
    info: ModelInfo
    trace: TokenTrace
    heads: HeadSummary
    attention: NDArray[np.float16]
    target: Target
    seconds: float
    caution: str = ""


@dataclass(frozen=True, slots=True)
class LiveExplainRequest:
    """What the target of `look` rests on: leave-one-out by `unit` and `masking`, from unit `first` on."""

    look: LiveRequest
    unit: str
    masking: str
    first: int = 0


@dataclass(frozen=True, slots=True)
class LiveExplanation:
    """A part of a leave-one-out, small enough to be waited for: units `first` to before `stop` of `n_units`; scores of
    the other tokens are NaN."""

    attribution: Attribution
    first: int
    stop: int
    n_units: int


@dataclass(frozen=True, slots=True)
class LiveContinueRequest:
    """The text that `model` writes after `text`."""

    model: str
    text: str
    params: GenerationParams
