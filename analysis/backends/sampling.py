"""Continuations of a batch with a key-value cache, drawn so that a prompt gets the same one in any batch."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headscope.analysis.counts import plural
from headscope.analysis.errors import BackendError, NotApplicable
from headscope.analysis.types import GenerationParams


@dataclass(frozen=True, slots=True)
class Sampled:
    """New token ids of one prompt and their log-probabilities (nats, unmodified distribution)."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]


class NoNumbersError(BackendError):
    """The model gave NaN or infinity. written: the new ids of every prompt by then."""

    def __init__(self, written: Sequence[Sequence[int]]) -> None:
        self.written = tuple(map(tuple, written))
        n = plural(max(map(len, self.written)), "new token")
        super().__init__(f"the model computed NaN or infinity after {n}, so there is no next one to draw")


@torch.no_grad()
def sample(
    model: nn.Module, prompts: Sequence[Sequence[int]], params: GenerationParams, stop: frozenset[int], context: int
) -> list[Sampled]:
    """Continue every prompt until `max_new_tokens`, a stop token (not included) or the end of the context.

    Prompts are padded on the left and positions are given, so padding changes nothing but rounding. Each prompt draws
    from its own generator, seeded by the seed and its ids. Raises NotApplicable for a model without a key-value cache,
    NoNumbersError where it computes NaN or infinity.
    """
    device = next(model.parameters()).device
    ids, mask = _left_padded(prompts, device)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    generators = [_generator(params.seed, prompt) for prompt in prompts]
    found: list[tuple[list[int], list[float]]] = [([], []) for _ in prompts]
    running = [len(prompt) < context and params.max_new_tokens > 0 for prompt in prompts]
    accepted = inspect.signature(model.forward).parameters
    cache: Any = None
    while any(running):
        extra: dict[str, Any] = {"position_ids": positions, "logits_to_keep": 1}
        output = model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            **{name: value for name, value in extra.items() if name in accepted},
        )
        cache = getattr(output, "past_key_values", None)
        if cache is None:
            raise NotApplicable(f"{type(model).__name__} keeps no key-value cache, so it writes no continuations here")
        logprobs = output.logits[:, -1].float().log_softmax(-1).cpu()
        if logprobs[running].isnan().any():
            raise NoNumbersError([new for new, _ in found])
        chosen = torch.zeros(len(prompts), 1, dtype=torch.long)
        for row, (new_ids, new_logprobs) in enumerate(found):
            if running[row]:
                token = _draw(logprobs[row], params, generators[row])
                chosen[row] = token
                if token in stop:
                    running[row] = False
                    continue
                new_ids.append(token)
                new_logprobs.append(float(logprobs[row, token]))
                room = len(prompts[row]) + len(new_ids) < context
                running[row] = room and len(new_ids) < params.max_new_tokens
        ids = chosen.to(device)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        positions = (positions[:, -1:] + 1).clamp_max(context - 1)  # a finished row goes on unread
    return [Sampled(tuple(new_ids), tuple(new_logprobs)) for new_ids, new_logprobs in found]


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def _generator(seed: int, prompt: Sequence[int]) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}|{','.join(map(str, prompt))}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def _draw(logprobs: Tensor, params: GenerationParams, generator: torch.Generator) -> int:
    """One token: greedy at temperature 0, else by inverting the cumulative nucleus with one uniform number."""
    if params.temperature <= 0:
        return int(logprobs.argmax())
    probs, order = (logprobs / params.temperature).softmax(-1).sort(descending=True, stable=True)
    cumulative = probs.double().cumsum(0)
    # the smallest set that reaches top_p: everything up to and with the token that crosses it
    size = min(int((cumulative < params.top_p).sum()) + 1, len(probs))
    point = torch.rand((), generator=generator, dtype=torch.float64) * cumulative[size - 1]
    return int(order[min(int((cumulative[:size] <= point).sum()), size - 1)])
