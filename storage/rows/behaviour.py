"""What models did over many runs, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.types import Float32

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measures:
    """Succeeded runs as columns, all or a fixed random sample of the `total` in which runs of one pair of a prompt set
    are all there or none; `version` tells states apart.

    Numbers are float64 `[run]`, NaN where unmeasured; surprisal, entropy, log-probability and margin in nats.
    """

    run_id: tuple[str, ...]
    model: tuple[str, ...]
    experiment: tuple[str, ...]
    prompt_set: tuple[str | None, ...]
    prompt_key: tuple[str, ...]
    pair_id: tuple[str | None, ...]
    group: tuple[str | None, ...]
    tags: tuple[tuple[str, ...], ...]
    text: tuple[str, ...]
    target: tuple[str | None, ...]
    foil: tuple[str | None, ...]
    next_token: tuple[str | None, ...]
    continuation: tuple[str | None, ...]
    mean_surprisal: Float64
    next_entropy: Float64
    next_token_prob: Float64
    target_logprob: Float64
    target_rank: Float64
    margin: Float64
    n_tokens: Float64
    total: int
    version: int

    def __len__(self) -> int:
        return len(self.run_id)


@dataclass(frozen=True, slots=True)
class LensRanks:
    """Ranks under the logit lens after every layer, float32 `[layer]` (1 = top): of the model's final top token, and of
    the explained target. has_answer: whether the prompt has a target of its own that is a right answer."""

    run_id: str
    model: str
    ranks: Float32
    target: Float32
    has_answer: bool


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One row of `probe_results` with its run; `score` None is unmeasured."""

    run_id: str
    model: str
    prompt_set: str | None
    prompt_key: str
    text: str
    probe: str
    label: str | None
    score: float | None
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class FindingSample:
    """All findings asked for, or a fixed random sample of the `total`."""

    rows: tuple[FindingRow, ...]
    total: int
