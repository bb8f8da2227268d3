"""One batch of prompts and the passes through the model that all its analyses share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headscope.analysis.errors import BackendError
from headscope.analysis.finite import finite_rows, in_numbers, overflow
from headscope.analysis.interfaces import Capture, ForwardResult, TokenBatch, WhiteBoxBackend
from headscope.analysis.types import Target, TokenizedText
from headscope.analysis.types.tokens import first_tokens
from headscope.analysis.vocabulary import CHUNK_ELEMENTS, in_blocks, logit_blocks

NO_PARTNER = (
    "it compares the prompt with its counterfactual partner, and this prompt has none: give it one in the column "
    "`counterfactual`, or let exactly one other prompt with another text have the same `pair_id`"
)

GameKey = tuple[int, int, int, str, str, str, str]
"""Prompt of the batch, target, foil, quantity, unit, masking, text of the token that stands in."""
HeadsKey = tuple[str, tuple[tuple[int, int, str], ...]]
"""What takes the heads' place; target, foil and quantity of each prompt."""


@dataclass(frozen=True, slots=True)
class InputGradient:
    """Gradient of each prompt's explained quantity with respect to its token embeddings.

    embeddings, gradient: `[B, T, d]`, detached. values: `[B]`, the quantity in nats. seconds: wall time per prompt.
    residual_gradients: L tensors `[B, T, d]`, at the residual stream after each layer (`work.forward.residuals` where
    the shared pass served, and `residuals` here in any case). attention_gradients: L tensors `[B, H, query, key]` at
    the attention weights `attentions`, both empty unless `Capture.attention_gradients` was asked for.
    """

    embeddings: Tensor
    gradient: Tensor
    values: Tensor
    seconds: float
    residuals: tuple[Tensor, ...]
    residual_gradients: tuple[Tensor, ...]
    attentions: tuple[Tensor, ...]
    attention_gradients: tuple[Tensor, ...]


class Workspace:
    """Lazily computed, shared passes over one batch.

    `positions` (default: each prompt's last token) says after which token the next one is predicted and explained.
    `capture` is what the analyses of the request need; one forward pass serves them all. `embeddings` `[B, T, d]` take
    the place of the tokens' own (noise around them, for instance); every pass of this workspace starts from them.
    `partners`: of each prompt its counterfactual, why that cannot be read, or None; empty where nobody has one.
    """

    def __init__(
        self,
        backend: WhiteBoxBackend,
        texts: Sequence[TokenizedText],
        capture: Capture,
        positions: Sequence[int] | None = None,
        embeddings: Tensor | None = None,
    ) -> None:
        self.backend = backend
        self.texts = tuple(texts)
        self.partners: tuple[TokenizedText | str | None, ...] = ()
        self.batch: TokenBatch = backend.batch(self.texts)
        here = self.batch.lengths
        self.positions = here - 1 if positions is None else torch.tensor(list(positions), device=here.device)
        vocabulary = self.batch.input_ids.numel() * backend.info.vocab_size
        last_only = capture.gradients or vocabulary > CHUNK_ELEMENTS
        self._capture = replace(capture, residuals=True, last_logits_only=last_only, non_finite=True)
        self._embeddings = embeddings
        self._gradients: dict[tuple[tuple[int, int, str], ...], InputGradient] = {}
        self._decoded: dict[int, str] = {}
        self._graph: Tensor | None = None
        self.games: dict[GameKey, NDArray[np.float64]] = {}
        """Values of every coalition of a prompt's units, which several analyses read (`attribution.lattice`)."""
        self.without_heads: dict[HeadsKey, Tensor] = {}
        """The explained quantity without each head, which several methods read (`attribution.head_removal`)."""

    def partner(self, index: int) -> TokenizedText | str:
        """The prompt's counterfactual partner, or why there is none."""
        found = self.partners[index] if self.partners else None
        return NO_PARTNER if found is None else found

    @cached_property
    def embeddings(self) -> Tensor:
        """What the model reads, `[B, T, d]`, detached: the tokens' embeddings unless others were given."""
        return self.backend.embed(self.batch) if self._embeddings is None else self._embeddings

    @cached_property
    def attentions(self) -> tuple[Tensor, ...]:
        """Attention patterns, L tensors `[B, H, query, key]`, detached; from the shared pass when it captured them.

        Raises BackendError where they are NaN, as in every pass that leaves NaN or infinity in the residual stream.
        """
        if not in_numbers(self._attending):
            raise BackendError(self.overflow("attention weights"))
        return tuple(layer.detach() for layer in self._attending.attentions)

    @property
    def visible(self) -> tuple[Tensor, ...]:
        """With `attentions`: the keys each layer lets a query see, see `ForwardResult.visible`."""
        return self._attending.visible

    @cached_property
    def _attending(self) -> ForwardResult:
        if self._capture.attention:
            return self.forward
        capture = Capture(attention=True, residuals=True, last_logits_only=True, non_finite=True)
        return self.backend.forward(self.batch, capture, embeddings=self.embeddings)

    @cached_property
    def forward(self) -> ForwardResult:
        """The one forward pass: residuals always, attention and a gradient graph as captured.

        With a graph, or a large batch, its logits are those of the last token only: unembedding every position inside
        the graph would make the backward pass pay for the vocabulary T times. `token_logits` reads the other positions
        from the residuals, in chunks.
        """
        with torch.set_grad_enabled(self._capture.gradients):
            result = self.backend.forward(self.batch, self._capture, embeddings=self.embeddings)
            logits = self._logits_at_positions(result)
        if self._capture.gradients:
            self._graph = logits
        self.__dict__["next_logits"] = logits.detach()
        return result

    @cached_property
    def next_logits(self) -> Tensor:
        """Logits float32 `[B, V]` of what follows `positions`, detached; NaN or infinity where the model gives it."""
        self.forward  # noqa: B018 - computing it stores next_logits
        logits: Tensor = self.__dict__["next_logits"]
        return logits

    @cached_property
    def readable(self) -> Workspace:
        """These prompts, or the longest start of a single one that the model reads in numbers: NaN and infinity of a
        token reach every token of its pass, also those before it (0 times NaN).

        Raises BackendError where not even the first token is read so.
        """
        if len(self.texts) > 1 or in_numbers(self.forward):
            return self
        best, none, found = 0, len(self.texts[0]), self
        while none - best > 1:
            middle = (best + none) // 2
            start = Workspace(self.backend, [first_tokens(self.texts[0], middle)], Capture())
            if in_numbers(start.forward):
                best, found = middle, start
            else:
                none = middle
        if not best:
            raise BackendError(self.overflow("logits for this text"))
        return found

    @cached_property
    def unpredicted(self) -> str:
        """Why it is not known for every prompt what follows `positions`; "" where the model gave numbers."""
        if finite_rows(self.next_logits).all():
            return ""
        return self.overflow("logits for what comes next")

    @cached_property
    def next_logprobs(self) -> Tensor:
        """Log-probabilities float32 `[B, V]` (nats) of what follows `positions`. Raises BackendError: `unpredicted`."""
        if self.unpredicted:
            raise BackendError(self.unpredicted)
        return torch.log_softmax(self.next_logits, dim=-1)

    def overflow(self, what: str) -> str:
        """The sentence on these prompts where the model gives NaN or infinity; `what`: which of its numbers."""
        return overflow(self.backend, self.batch, what, self._embeddings)

    def _logits_at_positions(self, result: ForwardResult) -> Tensor:
        if not self._capture.last_logits_only and not torch.is_grad_enabled():
            return self.rows_at_positions(result.logits).float()
        if torch.equal(self.positions, self.batch.lengths - 1):
            return result.logits[:, -1].float()
        return self.backend.unembed(self.rows_at_positions(result.residuals[-1])).float()

    def token_logits(self) -> Iterator[tuple[slice, Tensor]]:
        """Logits float32 of what follows each real token, the prompts' tokens one after another: a few rows at a time
        with where they belong. Padding is never unembedded. The caller may write into them."""
        mask = self.batch.attention_mask.bool()
        if self._capture.last_logits_only:
            yield from logit_blocks(self.backend, self.forward.residuals[-1].detach()[mask])
            return
        start = 0
        for block in in_blocks(self.forward.logits.detach()[mask]):
            yield slice(start, start + len(block)), block.float()
            start += len(block)

    def rows_at_positions(self, values: Tensor) -> Tensor:
        """`[B, T, ...]` to `[B, ...]` at each prompt's explained position."""
        return values[torch.arange(len(self.texts)), self.positions]

    def embedding_gradient(self, targets: Sequence[Target]) -> InputGradient:
        """Gradient of every prompt's quantity in one backward pass, computed once per set of targets.

        The prompts of a batch do not see each other, so the gradient of the sum is each prompt's own gradient.
        """
        key = explained(targets)
        if key not in self._gradients:
            self._gradients[key] = self._backward(targets)
        return self._gradients[key]

    def _backward(self, targets: Sequence[Target]) -> InputGradient:
        if "forward" not in self.__dict__ and self._capture.gradients:
            self.forward  # noqa: B018 - its graph is used below
        started = time.perf_counter()
        if self._graph is not None:
            result, logits, self._graph = self.forward, self._graph, None
        else:
            attention = self._capture.attention_gradients
            capture = Capture(attention=attention, gradients=True, residuals=True, last_logits_only=True)
            with torch.enable_grad():
                result = self.backend.forward(self.batch, capture, embeddings=self.embeddings)
                logits = self._logits_at_positions(result)
        attentions = result.attentions if self._capture.attention_gradients else ()
        with torch.enable_grad():
            values = quantities(logits, targets)
            found = torch.autograd.grad(
                values.sum(), [result.embeddings, *result.residuals, *attentions], materialize_grads=True
            )
        layers = len(result.residuals)
        return InputGradient(
            embeddings=result.embeddings.detach(),
            gradient=found[0],
            values=values.detach(),
            seconds=(time.perf_counter() - started) / len(self.texts),
            residuals=tuple(residual.detach() for residual in result.residuals),
            residual_gradients=found[1 : 1 + layers],
            attentions=tuple(layer.detach() for layer in attentions),
            attention_gradients=found[1 + layers :],
        )

    def decode(self, ids: Tensor) -> list[str]:
        """Readable text of token ids (flattened), each distinct id decoded once per batch."""
        wanted = ids.flatten().tolist()
        missing = sorted({token for token in wanted if token not in self._decoded})
        self._decoded.update(zip(missing, self.backend.decode(missing), strict=True))
        return [self._decoded[token] for token in wanted]


def explained(targets: Sequence[Target]) -> tuple[tuple[int, int, str], ...]:
    """What tells the quantities of one set of targets from those of another."""
    return tuple((target.token_id, target.foil_id, target.quantity) for target in targets)


def quantities(logits: Tensor, targets: Sequence[Target]) -> Tensor:
    """The explained quantity `[B]` from next-token logits `[B, V]`: logprob(target) in nats, or its logit when the
    target says so, minus that of the foil if any.

    With a foil the normaliser cancels, so the difference is that of the two logits either way.
    """
    rows = torch.arange(len(targets))
    chosen = logits[rows, torch.tensor([target.token_id for target in targets])]
    foils = torch.tensor([target.foil_id for target in targets])
    if bool((foils >= 0).all()):
        return chosen - logits[rows, foils]
    plain = torch.tensor([target.quantity == "logit" for target in targets])
    normaliser = torch.zeros_like(chosen) if bool(plain.all()) else torch.logsumexp(logits, dim=-1)
    alone = normaliser.masked_fill(plain.to(logits.device), 0.0)
    return chosen - torch.where((foils >= 0).to(logits.device), logits[rows, foils.clamp(min=0)], alone)
