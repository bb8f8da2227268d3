"""One prompt many times over, each time read from other embeddings, in passes of bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from headscope.analysis.attribution.embedding_path import BYTES_PER_PASS, graph_bytes
from headscope.analysis.interfaces import Capture, TokenBatch
from headscope.analysis.types import Target, TokenizedText
from headscope.analysis.workspace import Workspace, quantities


def generator_of(text: TokenizedText, seed: int) -> torch.Generator:
    """Random numbers of one prompt: the same whatever batch it sits in."""
    digest = hashlib.sha256(text.ids.tobytes() + seed.to_bytes(8, "little", signed=True)).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


class PromptRows:
    """Prompt `index` of a workspace, up to and with its explained position: `here` `[P, d]` are its own embeddings.

    What comes after that position cannot matter to a causal model and is never read.
    """

    def __init__(self, work: Workspace, target: Target, index: int) -> None:
        self._work, self._target = work, target
        self.end = int(work.positions[index]) + 1
        self.text = work.texts[index]
        self.here = work.embeddings[index, : self.end].detach()
        self._ids = work.batch.input_ids[index, : self.end]

    def passes(self, count: int) -> Iterator[slice]:
        """Consecutive slices of `count` rows, each as many as one pass may hold."""
        size = max(1, BYTES_PER_PASS // graph_bytes(self._work.backend.info, self.end))
        return (slice(start, min(start + size, count)) for start in range(0, count, size))

    def gradients(self, embeddings: Tensor) -> Tensor:
        """Gradient `[n, P, d]` of the explained quantity at each row of embeddings `[n, P, d]`."""
        return self.gradients_and_values(embeddings)[0]

    def gradients_and_values(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """With the gradient the quantity itself, `[n]` (nats), at each row of embeddings `[n, P, d]`."""
        with torch.enable_grad():
            points = embeddings.detach().to(self.here.dtype).requires_grad_()
            values = self._values(points, gradients=True)
            (found,) = torch.autograd.grad(values.sum(), points)
        return found, values.detach()

    def values(self, embeddings: Tensor) -> Tensor:
        """The explained quantity `[n]` (nats) at each row of embeddings `[n, P, d]`; no backward pass."""
        return self._values(embeddings.to(self.here.dtype), gradients=False)

    def _values(self, embeddings: Tensor, gradients: bool) -> Tensor:
        rows = len(embeddings)
        ids = self._ids.expand(rows, -1)
        lengths = torch.full((rows,), self.end, device=ids.device)
        batch = TokenBatch((self.text,) * rows, ids, torch.ones_like(ids), lengths)
        capture = Capture(gradients=gradients, last_logits_only=True)
        result = self._work.backend.forward(batch, capture, embeddings=embeddings)
        return quantities(result.logits[:, -1].float(), [self._target] * rows)
