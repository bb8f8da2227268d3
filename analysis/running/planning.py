"""Batches of a request, and what it will need: told before it starts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from headscope.analysis.attribution.embedding_path import graph_bytes
from headscope.analysis.backends.made_up import made_up_batch
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.errors import HeadscopeError, InputError
from headscope.analysis.interfaces import Capture, TokenBatch, WhiteBoxBackend
from headscope.analysis.models import devices
from headscope.analysis.registry import METHODS, analysis
from headscope.analysis.running.budget import fit
from headscope.analysis.running.preflight import (
    SHARED,
    Asked,
    Effort,
    Preflight,
    Size,
    Speed,
    efforts,
    preflight,
    total,
)
from headscope.analysis.sentences import sentences_of
from headscope.analysis.types import ModelInfo, Prompt, RunSpec, TokenizedText

BATCH_BYTES = 1 << 30
_LONGEST_TO_SHORTEST = 1.5
_FEW_TOKENS, _TRIED_TOKENS, _TRIED_ROWS = 8, 64, 3
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """batches: each a list of indexes into the prompts, in the order of their first. needs: what they will take."""

    batches: list[list[int]]
    needs: Preflight


def plan(backend: WhiteBoxBackend, spec: RunSpec, batch_size: int, params: Asked) -> Plan:
    """The prompts of `spec` in batches of at most `batch_size` prompts of similar token length; each is tokenised once.

    A batch's padded tokens are bounded by the memory a forward and backward pass over it needs, and by half of what is
    free. Prompts that cannot be tokenised are in a batch too (they become failed results) and need nothing; one that
    does not fit into the memory by itself fails when it is run. `params`: every method's, in full.

    Raises InputError, kind `out_of_memory`, when not one of the prompts fits.
    """
    sizes = [_size(backend, spec, prompt) for prompt in spec.prompts]
    _check_one_fits(backend, spec, sizes)
    most = min(BATCH_BYTES, _free_bytes(backend) // 2)
    batches = _batches(backend.info, [size.tokens for size in sizes], batch_size, most)
    needed = [len(batch) * prompt_bytes(backend.info, max(sizes[i].tokens for i in batch)) for batch in batches]
    methods = [name for name in METHODS if name in spec.analyses]
    found = preflight(backend.info, [size.tokens for size in sizes], needed, spec.analyses, methods)
    known = {size: _efforts(backend.info, spec, params, size) for size in {*sizes} if size.tokens}
    work = [(sizes[i], len(batch), known[sizes[i]]) for batch in batches for i in batch if sizes[i].tokens]
    seconds, costliest = _times(work, speed_of(backend) if work else Speed())
    return Plan(
        batches,
        replace(
            found,
            warning=backend.capabilities.warning,
            passes=sum(total(efforts.values()).most for *_, efforts in work) / max(1, len(work)),
            seconds=seconds,
            costliest=costliest,
        ),
    )


def _efforts(info: ModelInfo, spec: RunSpec, params: Asked, size: Size) -> dict[str, Effort]:
    """What a prompt takes of everything, within the budget; generating included."""
    asked = fit(spec.budget, params, size, info).done if spec.budget and size.tokens else params
    found = efforts(asked, size, info)
    generated = spec.generation.max_new_tokens
    found[SHARED] += Effort(0, (size.tokens + generated) / max(1, size.tokens) if generated else 0, generated)
    return found


def _times(
    work: Sequence[tuple[Size, int, Mapping[str, Effort]]], speed: Speed
) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Seconds of prompts, each with how many are in its batch and its efforts; and the costliest analyses with their
    shares of them."""
    seconds: Counter[str] = Counter()
    for size, beside, found in work:
        for name, one in found.items():
            seconds[name] += one.seconds(size.tokens, beside, speed)  # type: ignore[assignment]  # of floats
    whole = sum(seconds.values())
    named = [(name, taken / whole) for name, taken in seconds.most_common() if name != SHARED and taken]
    return whole, tuple(named[:_NAMED])


def forward_work(info: ModelInfo, spec: RunSpec, params: Asked, size: Size) -> float:
    """Forward passes times tokens that a prompt takes as a rule; `params`: of everything asked for, in full."""
    return total(_efforts(info, spec, params, size).values()).usual * size.tokens


@once_per_model
def speed_of(backend: WhiteBoxBackend) -> Speed:
    """How fast a forward pass is here, measured on made-up tokens, few and many: the better of two tries each."""
    length = min(_TRIED_TOKENS, backend.info.context_length)
    few, many = made_up_batch(backend, min(_FEW_TOKENS, length)), made_up_batch(backend, length, _TRIED_ROWS)
    short, long = (min(_pass_seconds(backend, batch) for _ in range(2)) for batch in (few, many))
    n_few, n_many = few.input_ids.numel(), many.input_ids.numel()
    token = max(0.0, long - short) / (n_many - n_few) or long / n_many
    return Speed(max(0.0, short - n_few * token), token)


def _pass_seconds(backend: WhiteBoxBackend, batch: TokenBatch) -> float:
    started = time.perf_counter()
    backend.forward(batch, Capture(last_logits_only=True, non_finite=True)).logits.flatten()[
        0
    ].item()  # waits for the device
    return time.perf_counter() - started


def _batches(info: ModelInfo, lengths: Sequence[int], batch_size: int, most_bytes: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        current = batches[-1] if batches else []
        shortest = lengths[current[0]] if current else 0
        fits = (
            0 < len(current) < batch_size
            and lengths[index] <= max(_LONGEST_TO_SHORTEST * shortest, shortest + 2)
            and (len(current) + 1) * prompt_bytes(info, lengths[index]) <= most_bytes
        )
        if fits:
            current.append(index)
        else:
            batches.append([index])
    return sorted((sorted(batch) for batch in batches), key=lambda batch: batch[0])


def tokenized(backend: WhiteBoxBackend, spec: RunSpec, prompt: Prompt) -> TokenizedText:
    """The prompt as the model reads it under this request. Raises InputError."""
    if prompt.invalid is not None:
        raise InputError(prompt.invalid, prompt.invalid_kind)
    return backend.tokenize(prompt.text, chat=spec.chat, start_token=spec.start_token)


def _size(backend: WhiteBoxBackend, spec: RunSpec, prompt: Prompt) -> Size:
    """Tokens and words of a prompt, none when it cannot be read."""
    try:
        text = tokenized(backend, spec, prompt)
    except HeadscopeError:
        return Size(0, 0)
    return size_of(text)


def size_of(text: TokenizedText) -> Size:
    """How long a prompt is."""
    return Size(len(text), int(text.words.max(initial=-1)) + 1, int(sentences_of(text).max(initial=-1)) + 1)


def prompt_bytes(info: ModelInfo, length: int) -> int:
    """Memory one prompt of a batch needs in a forward and backward pass with attention (float32, then float16)."""
    return graph_bytes(info, length) + 8 * info.n_layers * info.n_heads * length * length


def check_memory(backend: WhiteBoxBackend, spec: RunSpec, length: int) -> None:
    """Refuses a prompt that would end the process: attention of every head grows with the square of the length.

    Raises InputError, kind `out_of_memory`.
    """
    needed, available = _needed_bytes(backend.info, spec, length), _free_bytes(backend)
    if needed > available:
        raise InputError(f"its {length} tokens {_too_large(spec, needed, available)}: shorten it.", "out_of_memory")


def _check_one_fits(backend: WhiteBoxBackend, spec: RunSpec, sizes: Sequence[Size]) -> None:
    shortest = min((size.tokens for size in sizes if size.tokens), default=0)
    needed, available = _needed_bytes(backend.info, spec, shortest), _free_bytes(backend)
    if shortest and needed > available:
        raise InputError(
            f"nothing would be computed: even the shortest prompt's {shortest} tokens "
            f"{_too_large(spec, needed, available)}: shorten the prompts, end what else runs here, or use a smaller "
            "model. --batch-size does not help, for this is one prompt by itself.",
            "out_of_memory",
        )


def _too_large(spec: RunSpec, needed: int, available: int) -> str:
    of_attention = " (leave out heads and attention, which grow with the square of it)" if _attends(spec) else ""
    return f"need about {needed / 1e9:.1f} GB beside the model and {available / 1e9:.1f} GB are free{of_attention}"


def _attends(spec: RunSpec) -> bool:
    needs = [analysis(name).needs for name in spec.analyses]
    return any(need.pattern or need.attention for need in needs)


def _needed_bytes(info: ModelInfo, spec: RunSpec, length: int) -> int:
    return prompt_bytes(info, length) if _attends(spec) else graph_bytes(info, length)


def _free_bytes(backend: WhiteBoxBackend) -> int:
    return devices.free_bytes(next(backend.model.parameters()).device)
