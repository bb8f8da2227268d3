"""Batches of a request, and what it will need: told before it starts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headscope.analysis.attribution.embedding_path import graph_bytes
from headscope.analysis.backends.made_up import made_up_batch
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.errors import HeadscopeError, InputError
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.models import devices
from headscope.analysis.registry import METHODS, Entry, analysis
from headscope.analysis.running.preflight import Preflight, Size, passes, preflight
from headscope.analysis.sentences import sentences_of
from headscope.analysis.types import ModelInfo, Prompt, RunSpec, TokenizedText

BATCH_BYTES = 1 << 30
_LONGEST_TO_SHORTEST = 1.5
_TRIED_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """batches: each a list of indexes into the prompts, in the order of their first. needs: what they will take."""

    batches: list[list[int]]
    needs: Preflight


def plan(backend: WhiteBoxBackend, spec: RunSpec, batch_size: int, params: Mapping[str, Mapping[str, Any]]) -> Plan:
    """The prompts of `spec` in batches of at most `batch_size` prompts of similar token length; each is tokenised once.

    A batch's padded tokens are bounded by the memory a forward and backward pass over it needs. Prompts that cannot be
    tokenised are in a batch too (they become failed results) and need nothing. `params`: every method's, in full.
    """
    sizes = [_size(backend, spec, prompt) for prompt in spec.prompts]
    batches = _batches(backend.info, [size.tokens for size in sizes], batch_size)
    needed = [len(batch) * prompt_bytes(backend.info, max(sizes[i].tokens for i in batch)) for batch in batches]
    methods = [name for name in METHODS if name in spec.analyses]
    found = preflight(backend.info, [size.tokens for size in sizes], needed, spec.analyses, methods)
    work = [(passes(_asked(params), size, backend.info), size) for size in sizes if size.tokens]
    return Plan(
        batches,
        replace(
            found,
            warning=backend.capabilities.warning,
            passes=sum(count for count, _ in work) / max(1, len(work)),
            seconds=sum(count * size.tokens for count, size in work) * seconds_per_token(backend),
        ),
    )


def _asked(params: Mapping[str, Mapping[str, Any]]) -> list[tuple[Entry, Mapping[str, Any]]]:
    return [(analysis(name), given) for name, given in params.items()]


def forward_work(info: ModelInfo, params: Mapping[str, Mapping[str, Any]], size: Size) -> float:
    """Forward passes times tokens that a prompt will take at most; `params`: of everything asked for, in full."""
    return passes(_asked(params), size, info) * size.tokens


@once_per_model
def seconds_per_token(backend: WhiteBoxBackend) -> float:
    """How long one token of a forward pass takes here, measured on made-up ones: the better of two tries."""
    batch = made_up_batch(backend, min(_TRIED_TOKENS, backend.info.context_length))
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        backend.forward(batch, Capture(last_logits_only=True)).logits.flatten()[0].item()  # waits for the device
        taken.append(time.perf_counter() - started)
    return min(taken) / batch.input_ids.numel()


def _batches(info: ModelInfo, lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        current = batches[-1] if batches else []
        shortest = lengths[current[0]] if current else 0
        fits = (
            0 < len(current) < batch_size
            and lengths[index] <= max(_LONGEST_TO_SHORTEST * shortest, shortest + 2)
            and (len(current) + 1) * prompt_bytes(info, lengths[index]) <= BATCH_BYTES
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
    attention = any(analysis(name).needs.pattern for name in spec.analyses)
    needed = prompt_bytes(backend.info, length) if attention else graph_bytes(backend.info, length)
    available = devices.free_bytes(next(backend.model.parameters()).device)
    if needed > available:
        raise InputError(
            f"its {length} tokens need about {needed / 1e9:.1f} GB and {available / 1e9:.1f} GB are free: shorten it"
            + (", or leave out heads and attention, which grow with the square of its length." if attention else "."),
            "out_of_memory",
        )
