"""The frozen types that cross the borders between rooms: numpy only, no torch, no SQL, no Dash.

Shapes are written `[layer, head, query, key]`; `T` is the number of tokens of one prompt, `L` layers, `H` heads.
Probabilities are natural-log (`logprob`, nats) unless a name says otherwise. Unmeasured is NaN (floats), -1 (ids and
ranks, stored as NULL) or None, never 0.
"""

from __future__ import annotations

from headscope.analysis.types.attributions import NO_TARGET, Attribution, Target, against
from headscope.analysis.types.measurements import (
    HEAD_BOUNDS,
    HEAD_STATS,
    LAYER_STATS,
    HeadSummary,
    LayerSummary,
    LensTable,
    MeasuredArray,
)
from headscope.analysis.types.models import ModelInfo, ModelRef
from headscope.analysis.types.prompts import BLOCKED, UNREADABLE, Prompt, PromptSet, with_partners
from headscope.analysis.types.requests import (
    DEVICE,
    DTYPES,
    EXPLAINED,
    MOST_NEW_TOKENS,
    MOST_TEMPERATURE,
    QUANTITIES,
    DType,
    Explained,
    GenerationParams,
    Quantity,
    RunSpec,
    result_key,
)
from headscope.analysis.types.results import Beat, Continuation, MissingPart, OnBeat, Progress, RunResult
from headscope.analysis.types.tokens import TokenizedText, TokenTrace, token_key
from headscope.analysis.types.values import Float32, Int32, Params, RunStatus, canonical_hash

__all__ = [
    "BLOCKED",
    "DEVICE",
    "DTYPES",
    "EXPLAINED",
    "HEAD_BOUNDS",
    "HEAD_STATS",
    "LAYER_STATS",
    "MOST_NEW_TOKENS",
    "MOST_TEMPERATURE",
    "NO_TARGET",
    "QUANTITIES",
    "UNREADABLE",
    "Attribution",
    "Beat",
    "Continuation",
    "DType",
    "Explained",
    "Float32",
    "GenerationParams",
    "HeadSummary",
    "Int32",
    "LayerSummary",
    "LensTable",
    "MeasuredArray",
    "MissingPart",
    "ModelInfo",
    "ModelRef",
    "OnBeat",
    "Params",
    "Progress",
    "Prompt",
    "PromptSet",
    "Quantity",
    "RunResult",
    "RunSpec",
    "RunStatus",
    "Target",
    "TokenTrace",
    "TokenizedText",
    "against",
    "canonical_hash",
    "result_key",
    "token_key",
    "with_partners",
]
