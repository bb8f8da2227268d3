"""Everything measured for one prompt, and how far a job is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types.attributions import Attribution, Target
from headscope.analysis.types.measurements import HeadSummary, LayerSummary, LensTable, MeasuredArray
from headscope.analysis.types.prompts import Prompt
from headscope.analysis.types.requests import GenerationParams
from headscope.analysis.types.tokens import TokenTrace
from headscope.analysis.types.values import Float32, Int32, Params, RunStatus

if TYPE_CHECKING:
    from headscope.analysis.types.findings import Finding


@dataclass(frozen=True, slots=True)
class Continuation:
    """Text generated after the prompt: ids int32 `[n]`, logprobs float32 `[n]` under the unmodified distribution."""

    text: str
    ids: Int32
    texts: tuple[str, ...]
    logprobs: Float32
    params: GenerationParams


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A part of a succeeded run that was asked for and is not there. `part`: an analysis of `registry.MEASUREMENTS`,
    `receipts` or `continuation`. `kind`: `not_applicable` (this model has no such thing), `budget` (it did not fit) or
    `part` (it failed); `reason` says why."""

    part: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything measured for one prompt. A failed run has `status` failed, `error` and `error_kind`, and no arrays.

    attention: float16 `[layer, head, query, key]`, when asked for. seconds: wall time of the batch / prompts in it.
    result_key: see `result_key`. capsule: weights and tokenizer hash, dtype, attention implementation, batch size,
    seed, package versions, git commit: what is needed to compute it again. findings: what the probes found.
    missing: what was asked for in vain. measured: what other packages' measurements gave.
    """

    prompt: Prompt
    status: RunStatus
    result_key: str
    seconds: float
    capsule: Params
    error: str | None = None
    error_kind: str | None = None
    target: Target | None = None
    trace: TokenTrace | None = None
    heads: HeadSummary | None = None
    layers: LayerSummary | None = None
    lens: LensTable | None = None
    attributions: tuple[Attribution, ...] = ()
    attention: NDArray[np.float16] | None = None
    continuation: Continuation | None = None
    findings: tuple[Finding, ...] = ()
    missing: tuple[MissingPart, ...] = ()
    measured: tuple[MeasuredArray, ...] = ()


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life from a batch at work. stage: what it is at, by an analysis' label. share: 0 to 1, how much of the
    forward work planned for the batch is done; a plan is an upper bound, so a batch may end at less."""

    stage: str
    share: float


OnBeat = Callable[[Beat], None]
"""Hears how far a batch is; raises `errors.Stopped` to end it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a job, sent after every batch and while one is at work. `cached` were served from the store; rate is
    computed prompts/s. missing: sentences on the parts that computed prompts lack, one for each part or method.

    warnings: what is wrong with the model itself. begun: prompts' worth of work done in the batches that are not
    finished; stage: what they are at.
    """

    total: int
    done: int
    failed: int
    cached: int
    seconds: float
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    begun: float = 0.0
    stage: str = ""

    @property
    def rate(self) -> float:
        """Computed (not cached) prompts per second, with what is begun; NaN before the first sign of work."""
        computed = self.done + self.begun - self.cached
        return computed / self.seconds if self.seconds > 0 and computed > 0 else float("nan")

    @property
    def seconds_left(self) -> float:
        """Estimated; NaN before the first sign of work."""
        return (self.total - self.done - self.begun) / self.rate if self.total > self.done else 0.0
