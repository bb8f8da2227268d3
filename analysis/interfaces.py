"""What a backend and a method must offer. Import this for types only at run time in rooms without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from headscope.analysis.registry import Needs
from headscope.analysis.types import (
    Attribution,
    Continuation,
    GenerationParams,
    ModelInfo,
    Params,
    RunResult,
    Target,
    TokenizedText,
)
from headscope.analysis.types.findings import Finding

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor, nn

    from headscope.analysis.backends.prefix import Prefix
    from headscope.analysis.backends.structure import Structure
    from headscope.analysis.interventions import Edit
    from headscope.analysis.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Prompts padded on the RIGHT (with causal attention real tokens never see padding; positions count from 0).

    input_ids: int64 `[B, T]`. attention_mask: int64 `[B, T]`, 1 for real tokens. lengths: int64 `[B]`.
    """

    texts: tuple[TokenizedText, ...]
    input_ids: Tensor
    attention_mask: Tensor
    lengths: Tensor


@dataclass(frozen=True, slots=True)
class Capture:
    """What a forward pass keeps besides the logits. `gradients` makes `embeddings` a leaf that records a graph.

    attention_gradients: the workspace's backward pass also reaches the attention weights (needs both others).
    non_finite: NaN and infinity are given back as they are, for a caller who looks.
    """

    attention: bool = False
    residuals: bool = False
    gradients: bool = False
    last_logits_only: bool = False
    attention_gradients: bool = False
    non_finite: bool = False


@dataclass(frozen=True, slots=True)
class ForwardResult:
    """One batched forward pass.

    logits: `[B, T, V]` (`[B, 1, V]`, of each prompt's last real token, with `last_logits_only`).
    embeddings: `[B, T, d]`, token embeddings before positions are added; requires grad with `gradients`.
    attentions: L tensors `[B, H, query, key]`, post-softmax, or empty; a layer without attention has NaN (0 above
    the diagonal). visible: with them L bool tensors `[query, key]` on the CPU, the keys each layer lets a query see
    (local layers: a window of them). residuals: L tensors `[B, T, d]`, the residual stream after each layer, before the
    final norm. attn_updates, mlp_updates: L tensors `[B, T, d]`, what each sublayer adds to the residual stream.
    """

    logits: Tensor
    embeddings: Tensor
    attentions: tuple[Tensor, ...] = ()
    visible: tuple[Tensor, ...] = ()
    residuals: tuple[Tensor, ...] = ()
    attn_updates: tuple[Tensor, ...] = ()
    mlp_updates: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a loaded model lets us see. Where one is False, its tuples in `ForwardResult` are empty; `notes` says why.

    attention: attention weights of every layer; `no_attention` says why not. attention_layers: the layers that have
    some, where not all have (the others are NaN). sublayers: `attn_updates` and `mlp_updates`, checked to add up to the
    residual stream. warning: what a user must know before anything is run.
    heads: the output of every head, checked to make up the attention update (`WhiteBoxBackend.head_weights`).
    tokens: `tokenize` gives the model's own tokens; else parts of the text with ids of -1. logprobs: the model says how
    likely tokens are (`next_tokens`, `Continuation.logprobs`), as far as is known before it is asked.
    """

    attention: bool
    sublayers: bool
    heads: bool
    notes: tuple[str, ...] = ()
    attention_layers: tuple[int, ...] = ()
    no_attention: str = ""
    warning: str = ""
    tokens: bool = True
    logprobs: bool = True


NextTokens = tuple[tuple[str, float], ...]
"""The likeliest next tokens with their log-probabilities (nats), best first."""


class TextBackend(Protocol):
    """A model that reads and writes text, wherever it runs: all that a model behind an API is."""

    @property
    def info(self) -> ModelInfo:
        """What the model is, as far as is known: unknown sizes are 0."""

    @property
    def capabilities(self) -> Capabilities:
        """What it lets us see."""

    def tokenize(self, text: str, *, chat: bool = False, start_token: bool = False) -> TokenizedText:
        """Tokens with exact character spans. With `chat` those of the model's chat template around `text`, up to where
        the model answers. With `start_token` the model's own start token comes first, for no characters, unless one
        does already. Raises InputError kinds `empty`, `too_long`, `no_embedding`, `chat_template`, and `params` for a
        model without a start token."""

    def generate(self, texts: Sequence[TokenizedText], params: GenerationParams) -> list[Continuation]:
        """Continuations. A model that runs here gives the same ones for a seed, whatever the batch; an API as it likes,
        and what it does not tell is -1 (ids) and NaN (logprobs).

        Raises NotApplicable for a model that cannot continue a text, InputError (kind `refused`) where an API refuses.
        """

    def next_tokens(self, texts: Sequence[TokenizedText], most: int) -> list[NextTokens]:
        """At most so many of what may follow each text; fewer where the model tells fewer.

        Raises NotApplicable where it tells none.
        """

    def describe(self) -> Params:
        """Capsule facts: of a model that runs here device, dtype, attention implementation, threads, package versions;
        of another its address."""


class WhiteBoxBackend(TextBackend, Protocol):
    """A loaded causal language model with access to its inside. One instance serves one thread at a time."""

    model: nn.Module
    structure: Structure

    def head_weights(self, layer: int) -> Tensor:
        """The attention's output projection, `[H, d_head, d]`: head h adds `x[h] @ weights[h]` to the residual stream,
        where x is what enters `structure.head_projections[layer]`, `[B, T, H * d_head]`. Detached, no copy."""

    def batch(self, texts: Sequence[TokenizedText]) -> TokenBatch:
        """Pad to one right-padded batch."""

    def forward(self, batch: TokenBatch, capture: Capture, *, embeddings: Tensor | None = None) -> ForwardResult:
        """One forward pass, from token ids or from `embeddings` `[B, T, d]` in their place.

        Uses eager attention when `capture.attention`, else SDPA. Raises BackendError on non-finite logits,
        unless `capture.non_finite`.
        """

    def read(self, embeddings: Tensor, after: Prefix | None = None) -> tuple[Tensor, Prefix]:
        """Final hidden states (normed, ready for the unembedding) `[N, t, d]` of tokens that follow those of `after`,
        and the keys and values of all of them. Uses `after` up. Fused attention; gradients follow the caller's mode.
        Only for a model of which `prefix.why_no_prefix` says nothing."""

    def embed(self, batch: TokenBatch) -> Tensor:
        """Token embeddings `[B, T, d]`, detached."""

    def unembed(self, residual: Tensor) -> Tensor:
        """Final norm and unembedding: `[..., d]` to logits `[..., V]` (the logit lens)."""

    def resolve_target(self, text: TokenizedText, target: str | None, foil: str | None, logprobs: Tensor) -> Target:
        """Target and foil as token ids, given next-token log-probabilities `[V]` after `text`.

        Raises InputError kinds `target_missing` (an empty target, or a foil without a target) and
        `target_equals_foil` (both begin with the same token).
        """

    def ids_of(self, text: str) -> list[int]:
        """Token ids of `text` inside a longer text: nothing that the tokenizer puts before a beginning."""

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Readable text of single token ids (no byte-BPE markers; an incomplete byte sequence shows as U+FFFD)."""

    @property
    def n_bytes(self) -> int:
        """Memory held by the weights."""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits in force, in the order in which they are made."""

    def interventions(self, edits: Sequence[Edit]) -> AbstractContextManager[None]:
        """Inside the block every pass runs with these edits, after those already in force; at its end, however it ends,
        the model is as before. Gradients flow through them. In `generate` and `read` each step is a pass of its own,
        so there only edits of all positions, and none of patterns, are possible (NotApplicable).

        Raises UnknownNameError for a point, InputError (kind `edit`) for a layer, head or value that does not fit, here
        or in the pass, NotApplicable with the model's reason where it cannot be opened at that point.
        """

    def unedited(self) -> AbstractContextManager[None]:
        """Inside the block no edit is in force: what is found out about the model itself."""


class LoadsFolders(Protocol):
    """The class of a backend whose models are loaded from a folder, as the registry names it."""

    def load(self, name: str, dtype: str = "float32", device: str = "cpu") -> WhiteBoxBackend:
        """The model by name or folder. Raises BackendError."""


class Probe(Protocol):
    """Looks at what a model does with a prompt; one file each. May run the model again."""

    NAME: ClassVar[str]

    def score(
        self, backend: WhiteBoxBackend, results: Sequence[RunResult], params: Params
    ) -> list[tuple[Finding, ...]]:
        """What it found for each of `results` (all succeeded), in their order; NaN where there is nothing to measure.
        Raises HeadscopeError when it cannot work at all (a classifier is not installed)."""


class Method(Protocol):
    """An interpretation method; one file each, a subclass of this. `attribute` never raises for one prompt: it returns
    an Attribution with `error` set and empty scores for that prompt, in the order of `work.texts`."""

    NAME: ClassVar[str]

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Why this method cannot serve this model, beyond what its `Needs` in the registry say; None when it can."""
        return None

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One attribution per prompt of the batch. `work` computes and shares forward and backward passes."""


@dataclass(frozen=True, slots=True)
class LoadedMethod:
    """A method as a request asks for it: `params` are all it declares. reduced: which of them a budget made smaller, in
    words; left_out: why a budget leaves the method out altogether."""

    method: Method
    needs: Needs
    params: Params
    reduced: str = ""
    left_out: str = ""
