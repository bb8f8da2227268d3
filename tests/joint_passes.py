"""Joint log-probabilities by forward passes of the tests' own, on the model alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from headscope.analysis.types import Prompt

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend


def tokens(backend: HFCausalBackend, prompt: Prompt, continuation: str) -> tuple[list[int], list[int]]:
    """Ids of a prompt and of what is written after it."""
    before = backend.tokenize(prompt.text).ids.tolist()
    return before, backend.tokenize(prompt.text + continuation).ids.tolist()[len(before) :]


def joint(backend: HFCausalBackend, embeddings: torch.Tensor, ids: list[int]) -> torch.Tensor:
    """Joint log-probability `[B]` of `ids` after prompts given as embeddings `[B, T, d]`, by one forward pass."""
    module = backend.model.get_input_embeddings()
    rest = module(torch.tensor([ids])).detach().expand(len(embeddings), -1, -1)
    logits = backend.model(inputs_embeds=torch.cat([embeddings, rest], 1)).logits.float()
    logprobs = torch.log_softmax(logits[:, embeddings.shape[1] - 1 : -1], -1)
    return logprobs.gather(-1, torch.tensor(ids).expand(len(embeddings), -1)[..., None]).sum((1, 2))


def both(backend: HFCausalBackend, embeddings: torch.Tensor, prompt: Prompt) -> torch.Tensor:
    """Of a prompt's target, minus that of its foil if it has one, `[B]`."""
    value = joint(backend, embeddings, tokens(backend, prompt, prompt.target or "")[1])
    return value if prompt.foil is None else value - joint(backend, embeddings, tokens(backend, prompt, prompt.foil)[1])


def embedded(backend: HFCausalBackend, prompt: Prompt) -> torch.Tensor:
    """`[1, T, d]`."""
    return backend.embed(backend.batch([backend.tokenize(prompt.text)]))


def one_token(backend: HFCausalBackend, text: str) -> Prompt:
    """The text with a target that is one token there; there is one in every vocabulary."""
    words = (backend.decode([token])[0] for token in range(backend.info.vocab_size))
    prompts = (Prompt("one", text, word) for word in words if word.startswith(" "))
    return next(prompt for prompt in prompts if len(tokens(backend, prompt, prompt.target or "")[1]) == 1)
