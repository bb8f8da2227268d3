"""One batch of prompts and the passes through the model that all its analyses share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from analysis.interfaces import Capture, CausalBackend, ForwardResult, TokenBatch
from analysis.types import Target, TokenizedText

CHUNK_ELEMENTS = 1 << 24
"""Most float32 values (64 MiB) one temporary over the vocabulary may hold."""


@dataclass(frozen=True, slots=True)
class InputGradient:
    """Gradient of each prompt's explained quantity with respect to its token embeddings.

    embeddings, gradient: `[B, T, d]`, detached. values: `[B]`, the quantity in nats. seconds: wall time per prompt.
    """

    embeddings: Tensor
    gradient: Tensor
    values: Tensor
    seconds: float


class Workspace:
    """Lazily computed, shared passes over one batch.

    `positions` (default: each prompt's last token) says after which token the next one is predicted and explained.
    `capture` is what the analyses of the request need; one forward pass serves them all.
    """

    def __init__(
        self,
        backend: CausalBackend,
        texts: Sequence[TokenizedText],
        capture: Capture,
        positions: Sequence[int] | None = None,
    ) -> None:
        self.backend = backend
        self.texts = tuple(texts)
        self.batch: TokenBatch = backend.batch(self.texts)
        self.positions = self.batch.lengths - 1 if positions is None else torch.as_tensor(list(positions))
        self._capture = replace(capture, residuals=True, last_logits_only=True)
        self._gradients: dict[tuple[tuple[int, int], ...], InputGradient] = {}
        self._decoded: dict[int, str] = {}
        self._graph: Tensor | None = None

    @cached_property
    def forward(self) -> ForwardResult:
        """The one forward pass: residuals always, attention and a gradient graph as captured.

        Its logits are those of the last token only: unembedding every position inside the graph would make the backward
        pass pay for the vocabulary T times. `token_trace` reads the other positions from the residuals, in chunks.
        """
        with torch.set_grad_enabled(self._capture.gradients):
            result = self.backend.forward(self.batch, self._capture)
            logits = self._logits_at_positions(result)
        if self._capture.gradients:
            self._graph = logits
        self.__dict__["next_logits"] = logits.detach()
        return result

    @cached_property
    def next_logits(self) -> Tensor:
        """Logits float32 `[B, V]` of what follows `positions`, detached."""
        self.forward  # noqa: B018 - computing it stores next_logits
        logits: Tensor = self.__dict__["next_logits"]
        return logits

    @cached_property
    def next_logprobs(self) -> Tensor:
        """Log-probabilities float32 `[B, V]` (nats) of what follows `positions`."""
        return torch.log_softmax(self.next_logits, dim=-1)

    def _logits_at_positions(self, result: ForwardResult) -> Tensor:
        if torch.equal(self.positions, self.batch.lengths - 1):
            return result.logits[:, -1].float()
        return self.backend.unembed(self.rows_at_positions(result.residuals[-1])).float()

    def rows_at_positions(self, values: Tensor) -> Tensor:
        """`[B, T, ...]` to `[B, ...]` at each prompt's explained position."""
        return values[torch.arange(len(self.texts)), self.positions]

    def embedding_gradient(self, targets: Sequence[Target]) -> InputGradient:
        """Gradient of every prompt's quantity in one backward pass, computed once per set of targets.

        The prompts of a batch do not see each other, so the gradient of the sum is each prompt's own gradient.
        """
        key = tuple((target.token_id, target.foil_id) for target in targets)
        if key not in self._gradients:
            self._gradients[key] = self._backward(targets)
        return self._gradients[key]

    def _backward(self, targets: Sequence[Target]) -> InputGradient:
        if "forward" not in self.__dict__ and self._capture.gradients:
            self.forward  # noqa: B018 - its graph is used below
        started = time.perf_counter()
        if self._graph is not None:
            embeddings, logits, self._graph = self.forward.embeddings, self._graph, None
        else:
            capture = Capture(gradients=True, residuals=True, last_logits_only=True)
            with torch.enable_grad():
                result = self.backend.forward(self.batch, capture)
                embeddings, logits = result.embeddings, self._logits_at_positions(result)
        with torch.enable_grad():
            values = quantities(logits, targets)
            (gradient,) = torch.autograd.grad(values.sum(), embeddings)
        seconds = (time.perf_counter() - started) / len(self.texts)
        return InputGradient(embeddings.detach(), gradient, values.detach(), seconds)

    def decode(self, ids: Tensor) -> list[str]:
        """Readable text of token ids (flattened), each distinct id decoded once per batch."""
        wanted = ids.flatten().tolist()
        missing = sorted({token for token in wanted if token not in self._decoded})
        self._decoded.update(zip(missing, self.backend.decode(missing), strict=True))
        return [self._decoded[token] for token in wanted]


def quantities(logits: Tensor, targets: Sequence[Target]) -> Tensor:
    """The explained quantity `[B]` (nats) from next-token logits `[B, V]`: logprob(target), minus logprob(foil) if any.

    With a foil the normaliser cancels, so the difference is that of the two logits.
    """
    rows = torch.arange(len(targets))
    chosen = logits[rows, torch.tensor([target.token_id for target in targets])]
    foils = torch.tensor([target.foil_id for target in targets])
    if bool((foils >= 0).all()):
        return chosen - logits[rows, foils]
    against = torch.where(foils >= 0, logits[rows, foils.clamp(min=0)], torch.logsumexp(logits, dim=-1))
    return chosen - against


def chunk_rows(vocab_size: int) -> int:
    """How many rows over the vocabulary fit in one bounded temporary."""
    return max(1, CHUNK_ELEMENTS // vocab_size)
