"""Logits: against transformers' own, and of one prompt in whatever company, with whatever threads, from the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from headscope.analysis.certificate.judging import Subject
from headscope.analysis.errors import NotApplicable
from headscope.analysis.interfaces import Capture, TokenBatch
from headscope.analysis.types import GenerationParams
from headscope.analysis.types.certificate import ModelCheck

BATCH, THREADS, NEW_TOKENS = 3, (1, 2), 3


def plain_sdpa(subject: Subject) -> ModelCheck:
    """Our passes without capture use the fused attention."""
    return _plain(subject, "logits (sdpa)", "sdpa", attention=False)


def plain_eager(subject: Subject) -> ModelCheck:
    """Our passes that capture attention use the eager one."""
    return _plain(subject, "logits (eager)", "eager", attention=True)


def _plain(subject: Subject, name: str, implementation: str, *, attention: bool) -> ModelCheck:
    plain, pairs = subject.plain(implementation), []
    for row, ids in enumerate(subject.real(subject.batch.input_ids)):
        mine = _captured(subject, row) if attention else subject.alone(row)
        pairs.append((mine, plain.logits(ids)))
    what = f"each prompt alone gives the logits of transformers' own {subject.name} with {implementation} attention"
    return subject.judged(name, pairs, what)


def same_in_a_batch(subject: Subject) -> ModelCheck:
    """One prompt three times: no padding, other matrix shapes."""
    text = subject.texts[0]
    logits = _logits(subject, subject.backend.batch([text] * BATCH))
    pairs = [(row, subject.alone(0)) for row in logits]
    return subject.judged("batch of 3", pairs, f"a prompt gives the same logits in a batch of {BATCH} as alone")


def same_when_padded(subject: Subject) -> ModelCheck:
    """Prompts of different lengths."""
    pairs = [
        (row, subject.alone(index))
        for index, row in enumerate(subject.real(_logits(subject, subject.batch)))
    ]  # fmt: skip
    sizes = ", ".join(str(len(text)) for text in subject.texts)
    what = f"prompts of {sizes} tokens, padded in one batch, give the same logits as each alone"
    return subject.judged("padding", pairs, what)


def same_with_threads(subject: Subject) -> ModelCheck:
    """One and two threads; as many as before afterwards."""
    if subject.batch.input_ids.device.type != "cpu":
        raise NotApplicable("threads of the processor do not matter to a model on another device")
    found = []
    with _threads_restored():
        for count in THREADS:
            torch.set_num_threads(count)
            found.append(_logits(subject, subject.longest))
    return subject.judged("threads", [(found[1], found[0])], "1 and 2 threads give the same logits")


@contextmanager
def _threads_restored() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def next_tokens(subject: Subject) -> ModelCheck:
    """Generation: prompts padded on the left, positions given, later tokens read from the cache."""
    backend = subject.backend
    # drawn, not greedy: a model seldom stops at once then
    written = backend.generate(subject.texts, GenerationParams(NEW_TOKENS, temperature=1.0))
    pairs, count = [], 0
    for text, continuation in zip(subject.texts, written, strict=True):
        new = continuation.ids.tolist()
        if not new:
            continue
        count += len(new)
        logprobs = _logits(subject, _of_ids(subject, [*text.ids.tolist(), *new]))[0].float().log_softmax(-1)
        at = range(len(text) - 1, len(text) - 1 + len(new))
        expected = torch.stack([logprobs[place, token] for place, token in zip(at, new, strict=True)])
        pairs.append((torch.from_numpy(continuation.logprobs), expected))
    if not count:
        raise NotApplicable(f"{subject.name} ended every continuation at once")
    what = f"{count} tokens, written on from the cache in a padded batch, are as likely as a full forward pass says"
    return subject.judged("next tokens", pairs, what)


def causal(subject: Subject) -> ModelCheck:
    """Another last token leaves everything before it as it is."""
    batch = subject.longest
    ids = batch.input_ids.clone()
    ids[0, -1] = (ids[0, -1] + 1) % subject.backend.info.vocab_size
    other = _logits(subject, TokenBatch(batch.texts, ids, batch.attention_mask, batch.lengths))
    pairs = [(other[0, :-1], _logits(subject, batch)[0, :-1])]
    return subject.judged("causal", pairs, "another last token changes no logit before it")


def _captured(subject: Subject, row: int) -> Tensor:
    batch = subject.backend.batch([subject.texts[row]])
    return subject.backend.forward(batch, Capture(attention=subject.shows_attention)).logits[0]


def _logits(subject: Subject, batch: TokenBatch) -> Tensor:
    return subject.backend.forward(batch, Capture()).logits


def _of_ids(subject: Subject, ids: list[int]) -> TokenBatch:
    made = torch.tensor([ids], device=subject.batch.input_ids.device)
    return TokenBatch((), made, torch.ones_like(made), torch.tensor([len(ids)], device=made.device))
