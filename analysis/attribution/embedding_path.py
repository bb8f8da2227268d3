"""The straight path from a baseline to a prompt's own embeddings, evaluated for many prompts and steps in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        self._lengths: list[int] = (work.positions + 1).tolist()
        self._prefix = self._held(hold_first)
        self._family = self._families()

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
        rates = torch.zeros(len(index), self._size, dtype=torch.float64)
        values = torch.empty(len(index), dtype=torch.float64)
        points, rows = self._points(prompts, steps), self._rows_per_pass()
        for part in (points[start : start + rows] for start in range(0, len(points), rows)):
            for asks, found, value in self._pass(part, index, share):
                rates[asks, : found.shape[1]], values[asks] = found, value
        return rates, values

    def _points(self, prompts: Sequence[int], steps: Sequence[float]) -> list[list[int]]:
        """What is asked at one point of nested paths, the longest first. Points of similar length stand together: their
        rows share a pass, which is cut to its longest."""
        found: dict[tuple[int, float], list[int]] = {}
        for ask in sorted(range(len(prompts)), key=lambda ask: -self._lengths[prompts[ask]]):
            found.setdefault((self._family[prompts[ask]], steps[ask]), []).append(ask)
        return sorted(found.values(), key=lambda asks: (self._lengths[prompts[asks[0]]], len(asks)))

    def _families(self) -> list[int]:
        """Of each path the one it is the beginning of, else itself: what is generated token by token is explained on
        one path, of which a causal model need read each point only once. Each its own where no pass could serve two."""
        family = list(range(len(self.targets)))
        if self._prefix is None:
            return family
        longest: list[int] = []
        for row in sorted(family, key=lambda row: -self._lengths[row]):
            family[row] = next((other for other in longest if self._begins(other, row)), row)
            longest += [row] if family[row] == row else []
        return family

    def _begins(self, other: int, row: int) -> bool:
        end = self._lengths[row]
        return all(torch.equal(path[other, :end], path[row, :end]) for path in (self._start, self._change))

    @torch.no_grad()
    def _held(self, hold_first: bool) -> Prefix | None:
        """The first token, read once for every point of a path on which it never moves."""
        if not hold_first or self._size == 1 or why_no_prefix(self.work.backend) is not None:
            return None
        return self.work.backend.read(self._start[:, :1])[1]

    def _pass(
        self, points: Sequence[Sequence[int]], index: Tensor, share: Tensor
    ) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Asks, their rates and values: of each point its first ask, then its second, from the one forward pass."""
        asked = [asks[0] for asks in points]
        rows, at = index[asked], share[asked]
        end, most = max(self._lengths[row] for row in rows.tolist()), max(map(len, points))
        first = 0 if self._prefix is None or end == 1 else 1
        change = self._change[rows, first:end]
        inputs = (self._start[rows, first:end] + at.to(change)[:, None, None] * change).requires_grad_(True)
        with torch.enable_grad():
            read = self._read(rows, inputs) if first else self._whole(rows, end, inputs)
        for turn in range(most):
            here = [place for place, asks in enumerate(points) if len(asks) > turn]
            asks = [points[place][turn] for place in here]
            with torch.enable_grad():
                logits = self._logits(read[here], index[asks]) if first else read[here]
                values = quantities(logits.float(), [self.targets[row] for row in index[asks].tolist()])
                (gradient,) = torch.autograd.grad(values.sum(), inputs, retain_graph=turn + 1 < most)
            rates = torch.zeros(len(asks), end, dtype=torch.float64)
            rates[:, first:] = (gradient[here] * change[here]).sum(-1).cpu()
            yield asks, rates, values.detach().cpu().double()

    def _read(self, rows: Tensor, inputs: Tensor) -> Tensor:
        """Final-normed hidden states `[N, T, d]` of the tokens after the held first one."""
        assert self._prefix is not None
        return self.work.backend.read(inputs, self._prefix.rows(rows))[0]

    def _logits(self, hidden: Tensor, rows: Tensor) -> Tensor:
        """Logits `[N, V]` at each row's explained position."""
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
