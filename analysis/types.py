"""The frozen types that cross the borders between rooms: numpy only, no torch, no SQL, no Dash.

Shapes are written `[layer, head, query, key]`; `T` is the number of tokens of one prompt, `L` layers, `H` heads.
Probabilities are natural-log (`logprob`, nats) unless a name says otherwise. Unmeasured is NaN (floats), -1 (ids and
ranks, stored as NULL) or None, never 0.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from headscope.analysis import bounds
from headscope.analysis.errors import InputError
from headscope.analysis.outcome import NOTHING, Outcome

if TYPE_CHECKING:
    from headscope.analysis.probe_types import Finding
    from headscope.analysis.receipts import Receipt

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
Params = Mapping[str, Any]


class RunStatus(StrEnum):
    """Life of one prompt run, or of a job; `interrupted` is a job whose process is gone, and is never stored."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which weights, exactly. `weights_sha256` is empty until the model has been resolved and loaded."""

    name: str
    revision: str | None = None
    backend: str = "hf_causal"
    dtype: str = "float32"
    weights_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model is; the `models` table holds one row for each distinct `ref.weights_sha256`.

    `source` is one of `folder`, `model_dir`, `hub`, `embedded`; `path` the local folder it was read from.
    """

    ref: ModelRef
    architecture: str
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    vocab_size: int
    context_length: int
    n_params: int
    tokenizer_sha256: str
    source: str
    path: str


BLOCKED = "the content filter blocked this text"
"""How the reason of a blocked prompt begins."""
UNREADABLE = ("blocked", "not_utf8")
"""Kinds of a prompt whose text is not what was given; its run's error is the prompt's `invalid`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One input. `target` and `foil` are continuations exactly as written (usually with a leading space).

    `id` is unique and stable within its prompt set. `group` and `pair_id` tie counterfactual pairs together.
    `invalid` holds the reason a row could not be read as text (it becomes a failed run, never a missing one), then
    `text` is the readable rest with the offending bytes escaped.
    """

    id: str
    text: str
    target: str | None = None
    foil: str | None = None
    group: str | None = None
    pair_id: str | None = None
    tags: tuple[str, ...] = ()
    invalid: str | None = None

    @property
    def invalid_kind(self) -> str:
        """`blocked` or `not_utf8`: why there is no text to run; empty when there is."""
        if self.invalid is None:
            return ""
        return "blocked" if self.invalid.startswith(BLOCKED) else "not_utf8"


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A named, versioned list of prompts; `sha256` is over the canonical JSON lines of its prompts.

    Raises InputError when two prompts have one id: results are kept by id, so one would stand for the other.
    `parts`: of a selection, the sets it takes from, whole. Its prompt `NAME/ID` is the prompt ID of part NAME, and the
    run is stored as one of that set.
    """

    name: str
    version: str
    licence: str
    purpose: str
    sha256: str
    prompts: tuple[Prompt, ...]
    source: str = ""
    warnings: tuple[str, ...] = ()
    parts: tuple[PromptSet, ...] = ()

    def __post_init__(self) -> None:
        first: dict[str, int] = {}
        for number, prompt in enumerate(self.prompts, 1):
            if (before := first.setdefault(prompt.id, number)) != number:
                raise InputError(
                    f"prompts {before} and {number} of {self.name!r} both have the id {prompt.id!r}: "
                    "give every prompt an id of its own.",
                    kind="prompt_file",
                )


MOST_NEW_TOKENS, MOST_TEMPERATURE = 1_000_000, 1000.0


@dataclass(frozen=True, slots=True)
class GenerationParams:
    """Continuation settings; `max_new_tokens=0` asks for none, `temperature=0` is greedy."""

    max_new_tokens: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises InputError for what no generation can use."""
        bounds.whole("max_new_tokens", self.max_new_tokens, 0, MOST_NEW_TOKENS)
        bounds.number("temperature", self.temperature, 0, MOST_TEMPERATURE)
        bounds.number("top_p", self.top_p, 0, 1)
        bounds.whole("seed", self.seed)


Quantity = Literal["logprob", "logit"]
Explained = Literal["next", "continuation"]
QUANTITIES: tuple[str, ...] = get_args(Quantity)
EXPLAINED: tuple[str, ...] = get_args(Explained)
DType = Literal["float32", "bfloat16", "float16"]
DTYPES: tuple[str, ...] = get_args(DType)
DEVICE = re.compile(r"cpu|mps|cuda(:\d{1,3})?")
"""What a device may be called; which of them are here only torch knows."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What to compute for every prompt of a request. `params` maps an analysis name to its parameters.

    quantity: what attributions explain, `logprob` or `logit` (of the target, or of target minus foil).
    explain: `next`, the token after the prompt, or `continuation`, every generated token by the tokens before it.
    chat: the prompt's text is the user's turn in the model's chat template.
    start_token: the model's own start token stands before every prompt, also where the tokenizer puts none.
    device: where the model computes.
    """

    model: ModelRef
    prompts: tuple[Prompt, ...]
    analyses: tuple[str, ...]
    seed: int = 0
    generation: GenerationParams = field(default_factory=GenerationParams)
    params: Mapping[str, Params] = field(default_factory=dict)
    quantity: str = "logprob"
    explain: str = "next"
    chat: bool = False
    start_token: bool = False
    device: str = "cpu"

    @property
    def spec_hash(self) -> str:
        """sha256 (hex) of everything but the prompts; the order of analyses and of keys does not matter.

        Of the device only its kind, for other kinds round otherwise; the CPU is not named, as in older hashes.
        """
        kind = self.device.partition(":")[0]
        return canonical_hash(
            {
                "model": asdict(self.model),
                "analyses": sorted(self.analyses),
                "seed": self.seed,
                "generation": asdict(self.generation),
                "params": {name: dict(p) for name, p in self.params.items() if p},
                "quantity": self.quantity,
                "explain": self.explain,
                "chat": self.chat,
                **({"start_token": True} if self.start_token else {}),  # without it the keys are those of before
                **({} if kind == "cpu" else {"device": kind}),
            }
        )


def canonical_hash(value: Any) -> str:
    """sha256 (hex) of the JSON of `value` with sorted keys."""
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text and its tokens, aligned to characters.

    ids: int32 `[T]`. texts: the exact characters of each token's span, `text[start:end]`: a character that byte-level
    BPE splits over several tokens belongs to the first of them, the others have an empty span there.
    char_spans: int32 `[T, 2]`, half-open, in characters of `text`; in order, without gaps or overlaps, covering `text`.
    words: int32 `[T]`, index of the word each token belongs to, from 0. special: bool `[T]`, a special token.
    """

    text: str
    ids: Int32
    texts: tuple[str, ...]
    char_spans: Int32
    words: Int32
    special: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class TokenTrace:
    """What the model read and expected.

    logprobs: float32 `[T]`, log-probability (nats) of token t given the tokens before it; NaN for the first.
    ranks: int32 `[T]`, 1 = the most likely; -1 for the first. entropies: float32 `[T]`, entropy (nats) of the
    distribution that predicted token t; NaN for the first. next_entropy: of the distribution after the whole prompt.
    topk_ids: int32 `[T, k]`, topk_logprobs: float32 `[T, k]`, topk_texts `[T][k]`: row t are the candidates for what
    FOLLOWS token t, so row T-1 holds the next-token candidates.
    """

    tokens: TokenizedText
    logprobs: Float32
    ranks: Int32
    entropies: Float32
    topk_ids: Int32
    topk_logprobs: Float32
    topk_texts: tuple[tuple[str, ...], ...]
    next_entropy: float


HEAD_STATS = (
    "entropy",
    "entropy_normalised",
    "mean_distance",
    "previous_token",
    "first_token",
    "self_attention",
    "duplicate_token",
    "induction",
    "max_weight",
    "induction_lift",
    "missing_mass",
)


@dataclass(frozen=True, slots=True)
class HeadSummary:
    """Statistics of every attention head, float32 `[layer, head]`, each a mean over the queries it is defined for.

    entropy: nats. entropy_normalised: entropy / log(number of keys the query can see in the layer), queries with one
    key left out. mean_distance: tokens between query and key, weighted by attention. previous_token (from query 2 on:
    before query 1 is the sink), first_token (the sink), self: mean weight on key t-1, 0, t. duplicate_token: mean
    weight on earlier occurrences of the query's own token, the sink left out. induction: mean weight on the tokens that
    followed earlier occurrences; both NaN when no token repeats.
    max_weight: mean over queries of the largest weight. induction_lift: induction over what uniform attention would put
    on the same keys (1: chance). missing_mass: what the weights of a row lack to 1, given to no token (a learned sink).
    Entropies and mean_distance are of the weights divided by their sum; all others are shares of 1, the missing mass
    among them. The first query (one visible key) is left out of all but max_weight. Never called an explanation.
    """

    entropy: Float32
    entropy_normalised: Float32
    mean_distance: Float32
    previous_token: Float32
    first_token: Float32
    self_attention: Float32
    duplicate_token: Float32
    induction: Float32
    max_weight: Float32
    induction_lift: Float32
    missing_mass: Float32


LAYER_STATS = (
    "residual_norm",
    "attn_update_norm",
    "mlp_update_norm",
    "lens_prob",
    "lens_rank",
    "kl_to_final",
    "lens_target_logprob",
    "lens_target_rank",
    "lens_foil_logprob",
    "lens_foil_rank",
)


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """How the prediction forms, layer by layer (logit lens: nostalgebraist 2020).

    float32 `[layer]`, all measured at the last position, where the next token is predicted: residual_norm (L2 norm of
    the residual stream after the layer), attn_update_norm, mlp_update_norm (L2 norms of what the two sublayers add),
    lens_prob and lens_rank (of the model's final top-1 token under the logit lens), kl_to_final: KL(final || lens) in
    nats, lens_target_* and lens_foil_*: log-probability (nats) and rank of the explained target and foil under the lens
    (NaN without a foil). residual_norms: float32 `[layer, position]`, L2 norm of the residual stream after the layer.
    """

    residual_norm: Float32
    attn_update_norm: Float32
    mlp_update_norm: Float32
    lens_prob: Float32
    lens_rank: Float32
    kl_to_final: Float32
    lens_target_logprob: Float32
    lens_target_rank: Float32
    lens_foil_logprob: Float32
    lens_foil_rank: Float32
    residual_norms: Float32


@dataclass(frozen=True, slots=True)
class LensTable:
    """Logit lens at every position: row l is what the final norm and unembedding read from the residual after layer l.

    top_ids: int32 `[layer, position]`, top_probs: float32 `[layer, position]`, top_texts `[layer][position]`: the top
    candidate for the token that FOLLOWS the position. entropies: float32 `[layer, position]`, nats.
    A separate analysis (`logit_lens`): it costs a unembedding per layer and position, several times the forward pass.
    """

    top_ids: Int32
    top_probs: Float32
    top_texts: tuple[tuple[str, ...], ...]
    entropies: Float32


@dataclass(frozen=True, slots=True)
class Target:
    """The token explained, resolved by the tokenizer. Without `target` in the prompt it is the model's own top-1 token.

    `quantity` is what is explained: its log-probability (`logprob`), or its `logit`; with a foil, the difference.
    `n_tokens` is how many tokens the written target needs: only the first is explained, and a page says so when > 1.
    `chosen` is `given` or `predicted`. Log-probabilities (nats) and rank (1 = top) at the last position.
    """

    token_id: int
    text: str
    n_tokens: int
    chosen: str
    logprob: float
    rank: int
    foil_id: int = -1
    foil_text: str | None = None
    foil_n_tokens: int = 0
    foil_logprob: float = float("nan")
    foil_rank: int = -1
    quantity: str = "logprob"


def against(target: Target, foil: Target) -> Target:
    """A target with a foil that was resolved alone."""
    return replace(
        target,
        foil_id=foil.token_id,
        foil_text=foil.text,
        foil_n_tokens=foil.n_tokens,
        foil_logprob=foil.logprob,
        foil_rank=foil.rank,
    )


@dataclass(frozen=True, slots=True)
class Attribution:
    """One method's answer to "which input mattered for this quantity".

    quantity: `logprob` or `logit` of target, with a foil `logprob_difference` (equal to the logit difference) or
    `logit_difference`. value: the explained quantity (nats). scores: float32, dimensions named by `axes`:
    `("position",)`, `("layer", "head")`, `("layer", "component")`, `("layer", "head", "query", "key")`, or, for a
    continuation, `("target_position", "position")`. signed: negative scores mean evidence against.
    convergence_delta: sum of scores minus (value - value at baseline), NaN when the method makes no such promise.
    layer_scores: float32 `[layer, position]` of a method that knows where in the layers the evidence enters; row l is
    at what layer l reads (row 0: the embeddings), the last row at what the final norm reads.
    peak_bytes: most memory the process held while the method ran, over what it held before; -1 when not measured.
    error: why there are no scores, then `scores` is empty. receipt: the evidence for it, when asked for.
    score_errors: float32, shaped like `scores`: how far each may be off, estimated by a method that approximates; None
    for one that says nothing. params: every parameter that the method declares, as it was set; outcome: what came out.
    """

    method: str
    quantity: str
    target: str
    foil: str | None
    scores: Float32
    axes: tuple[str, ...]
    signed: bool
    value: float
    convergence_delta: float
    seconds: float
    params: Params
    error: str | None = None
    layer_scores: Float32 | None = None
    peak_bytes: int = -1
    receipt: Receipt | None = None
    score_errors: Float32 | None = None
    outcome: Outcome = NOTHING


@dataclass(frozen=True, slots=True)
class Continuation:
    """Text generated after the prompt: ids int32 `[n]`, logprobs float32 `[n]` under the unmodified distribution."""

    text: str
    ids: Int32
    texts: tuple[str, ...]
    logprobs: Float32
    params: GenerationParams


@dataclass(frozen=True, slots=True)
class MeasuredArray:
    """What a measurement of another package gives for a prompt: float32 `values` over named axes (say `layer` and
    `position`), NaN where unmeasured. `name` is the measurement's in the registry, `unit` is shown beside numbers."""

    name: str
    axes: tuple[str, ...]
    values: Float32
    unit: str = ""


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A part of a succeeded run that was asked for and is not there. `part`: an analysis of `registry.MEASUREMENTS`, or
    `continuation`. `kind`: `not_applicable` (this model has no such thing) or `part` (it failed); `reason` says why."""

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
class Progress:
    """State of a job, sent after every batch. `cached` were served from the store; rate is computed prompts/s. missing:
    sentences on the parts that computed prompts lack, one for each part or method."""

    total: int
    done: int
    failed: int
    cached: int
    seconds: float
    missing: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Computed (not cached) prompts per second; NaN before the first batch."""
        computed = self.done - self.cached
        return computed / self.seconds if self.seconds > 0 and computed > 0 else float("nan")

    @property
    def seconds_left(self) -> float:
        """Estimated; NaN before the first batch."""
        return (self.total - self.done) / self.rate if self.total > self.done else 0.0


def result_key(info: ModelInfo, spec: RunSpec, prompt: Prompt, code_version: str) -> str:
    """Identity of a result: same weights, tokenizer, text, target, foil, spec and code give the same key (sha256 hex).

    The model's display name and folder are left out on purpose: the same weights under another name are a cache hit.
    """
    weights = ModelRef(name="", backend=info.ref.backend, dtype=info.ref.dtype, weights_sha256=info.ref.weights_sha256)
    spec_hash = replace(spec, model=weights, prompts=()).spec_hash
    return canonical_hash(
        [info.tokenizer_sha256, spec_hash, prompt.text, prompt.target, prompt.foil, prompt.invalid, code_version]
    )
