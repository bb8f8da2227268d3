"""The straight path from a baseline to a prompt's own embeddings, evaluated for many prompts and steps in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from headscope.analysis.backends.prefix import Prefix, why_no_prefix
from headscope.analysis.backends.unembedding import to_logits
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture, TokenBatch, WhiteBoxBackend
from headscope.analysis.types import ModelInfo, Target
from headscope.analysis.workspace import Workspace, quantities

BYTES_PER_PASS = 1 << 30
_ROWS_AT_ONCE = 1 << 14
_means: WeakKeyDictionary[nn.Module, tuple[int, Tensor]] = WeakKeyDictionary()
_FLOATS_PER_STATE = 25  # what a gradient graph keeps per layer, token and unit of width (Llama and GPT-2)


class EmbeddingPath:
    """`x(a) = baseline + a (embeddings - baseline)` for every prompt of a batch.

    `baseline` is the embedding put at every position: that of a line break (`newline`), of the end of text (`eos`),
    `zero`, or the `mean` of all tokens; a model without the token asked for gets `mean`, and `baseline` says so. With
    `hold_first` the first token never moves, and tokens that are given never do.
    """

    def __init__(self, work: Workspace, targets: Sequence[Target], baseline: str, hold_first: bool) -> None:
        self.work, self.targets = work, list(targets)
        end = self._size = int(work.positions.max()) + 1  # what comes later cannot matter to a causal model
        here = work.embeddings[:, :end]
        self.baseline, vector = baseline_embedding(work.backend, baseline)
        self._start = vector.expand_as(here).clone()
        if hold_first:
            self._start[:, 0] = here[:, 0]
        for row, text in enumerate(work.texts):
            given = slice(len(text) - text.given, len(text))
            self._start[row, given] = here[row, :end][given]
        self._change = here - self._start
        self.moved = (self._change != 0).any(-1).cpu()
        """bool `[B, T]`: False for tokens that stay where they are along the path (held, or equal to the baseline)."""
        self._prefix = self._held(hold_first)

    def at_input(self) -> tuple[Tensor, Tensor]:
        """Rates `[B, T]` and values `[B]` at the prompts themselves, as `evaluate` gives them: from the gradient that
        the methods of a request share."""
        here = self.work.embedding_gradient(self.targets)
        rates = (here.gradient[:, : self._size] * self._change).sum(-1)
        return rates.cpu().double(), here.values.cpu().double()

    def evaluate(self, prompts: Sequence[int], steps: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Score rates and values at N points, each a prompt's index and how far along its path.

        Rates float64 `[N, T]`: d quantity / d a of each token, `(e_t - b_t) . gradient_t`. Values float64 `[N]`, nats.
        Both on the CPU: not every device has float64.
        """
        index, share = torch.tensor(list(prompts)), torch.tensor(list(steps), dtype=torch.float32)
        lengths = (self.work.positions.cpu() + 1)[index]
        order = torch.argsort(lengths)  # rows of similar length share a pass, which is cut to its longest
        rates = torch.zeros(len(index), self._size, dtype=torch.float64)
        values = torch.empty(len(index), dtype=torch.float64)
        for rows in torch.split(order, self._rows_per_pass()):
            end = int(lengths[rows].max())
            rates[rows, :end], values[rows] = self._pass(index[rows], share[rows], end)
        return rates, values

    @torch.no_grad()
    def _held(self, hold_first: bool) -> Prefix | None:
        """The first token, read once for every point of a path on which it never moves."""
        if not hold_first or self._size == 1 or why_no_prefix(self.work.backend) is not None:
            return None
        return self.work.backend.read(self._start[:, :1])[1]

    def _pass(self, rows: Tensor, at: Tensor, end: int) -> tuple[Tensor, Tensor]:
        first = 0 if self._prefix is None or end == 1 else 1
        change = self._change[rows, first:end]
        points = (self._start[rows, first:end] + at.to(change)[:, None, None] * change).requires_grad_(True)
        with torch.enable_grad():
            logits = self._logits(rows, points) if first else self._whole(rows, end, points)
            values = quantities(logits.float(), [self.targets[row] for row in rows.tolist()])
            (gradient,) = torch.autograd.grad(values.sum(), points)
        rates = torch.zeros(len(rows), end, dtype=torch.float64)
        rates[:, first:] = (gradient * change).sum(-1).cpu()
        return rates, values.detach().cpu().double()

    def _logits(self, rows: Tensor, points: Tensor) -> Tensor:
        """Logits `[N, V]` at each row's explained position, from the tokens after the held first one."""
        assert self._prefix is not None
        hidden, _ = self.work.backend.read(points, self._prefix.rows(rows))
        at = (self.work.positions[rows] - 1).clamp(min=0)  # a prompt of one token has nothing to explain
        return to_logits(self.work.backend.model, hidden[torch.arange(len(rows)), at])

    def _whole(self, rows: Tensor, end: int, points: Tensor) -> Tensor:
        capture = Capture(gradients=True, last_logits_only=True)
        return self.work.backend.forward(self._repeat(rows, end), capture, embeddings=points).logits[:, -1]

    def _repeat(self, rows: Tensor, end: int) -> TokenBatch:
        batch, lengths = self.work.batch, (self.work.positions + 1)[rows]
        mask = (torch.arange(end, device=lengths.device) < lengths[:, None]).to(batch.attention_mask.dtype)
        texts = tuple(self.work.texts[row] for row in rows.tolist())
        return TokenBatch(texts, batch.input_ids[rows, :end], mask, lengths)

    def _rows_per_pass(self) -> int:
        return max(1, BYTES_PER_PASS // graph_bytes(self.work.backend.info, self._size))


def graph_bytes(info: ModelInfo, length: int) -> int:
    """Memory (bytes, float32, estimated) a forward pass of one prompt keeps for its backward pass."""
    return 4 * _FLOATS_PER_STATE * info.n_layers * info.d_model * length + 8 * info.vocab_size


@torch.no_grad()
def baseline_embedding(backend: WhiteBoxBackend, name: str) -> tuple[str, Tensor]:
    """The baseline really used and its embedding `[d]`, as the model reads it: through the embedding module,
    because some families scale what they look up (Gemma)."""
    token = _newline_id(backend) if name == "newline" else _eos_id(backend) if name == "eos" else None
    if token is not None:
        return name, embedded(backend, torch.tensor([token]))[0]
    if name == "zero":
        return "zero", torch.zeros_like(embedded(backend, torch.tensor([0]))[0])
    return "mean", _mean(backend)


def _mean(backend: WhiteBoxBackend) -> Tensor:
    """Mean embedding `[d]` over the vocabulary, kept until the weights change."""
    module: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    version, kept = _means.get(module, (None, None))
    if kept is None or version != module.weight._version:
        rows = torch.split(torch.arange(backend.info.vocab_size), _ROWS_AT_ONCE)
        total = torch.stack([embedded(backend, part).cpu().double().sum(0) for part in rows]).sum(0)
        kept = (total / backend.info.vocab_size).to(module.weight)
        _means[module] = module.weight._version, kept
    return kept


@torch.no_grad()
def embedded(backend: WhiteBoxBackend, ids: Tensor) -> Tensor:
    """What the model reads for token ids `[n]`, `[n, d]`."""
    module: Any = backend.model.get_input_embeddings()  # type: ignore[operator]
    found: Tensor = module(ids.to(module.weight.device)).detach()
    return found


def _newline_id(backend: WhiteBoxBackend) -> int | None:
    """The token a line break ends in; None for a tokenizer that drops it or knows none."""
    try:
        tokens = backend.tokenize("\n")
    except InputError:
        return None
    return None if tokens.special[-1] else int(tokens.ids[-1])


def _eos_id(backend: WhiteBoxBackend) -> int | None:
    found = getattr(backend.model.config, "eos_token_id", None)
    first = found[0] if isinstance(found, list) and found else found
    return first if isinstance(first, int) and 0 <= first < backend.info.vocab_size else None
