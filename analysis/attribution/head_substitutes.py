"""What takes the place of a removed head's output: nothing, its mean, or what it says in another text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import torch
from torch import Tensor

from headscope.analysis.attribution.head_removal import HeadRemoval, Substitute
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.types import TokenizedText

REFERENCE = "twelve short texts of our own, version 1"
"""What `reference_texts.txt` is, for people; a changed text is a new version."""


@cache
def reference_texts() -> tuple[str, ...]:
    """Short neutral texts, written for this project (CC0-1.0): about nobody, and nothing a prompt may ask."""
    return tuple((files("headscope.analysis.attribution") / "reference_texts.txt").read_text("utf-8").splitlines())


def own(kind: str, removal: HeadRemoval) -> Substitute:
    """What the prompt itself gives: `zero`, or the `mean` of each head."""
    return prompt_mean(removal) if kind == "mean" else zero(removal)


def zero(removal: HeadRemoval) -> Substitute:
    """Nothing."""
    nothing = torch.zeros((), device=removal.values.device)
    return lambda _layer, _owners: nothing


def prompt_mean(removal: HeadRemoval) -> Substitute:
    """Each head's mean output in the prompt as it is, over the positions up to the explained one."""
    return lambda layer, owners: removal.means[layer][owners][:, None]


def reference_mean(backend: WhiteBoxBackend) -> Substitute:
    """Each head's mean output over all positions of all reference texts."""
    found = [_outputs(backend, text) for text in reference_texts()]
    length = sum(len(one[0]) for one in found)
    means = [torch.stack([one[layer].sum(0) for one in found]).sum(0) / length for layer in range(len(found[0]))]
    return lambda layer, _owners: means[layer]


def resampled(backend: WhiteBoxBackend, draws: int, seed: int, length: int) -> Sequence[Substitute]:
    """For each draw of a reference text (none twice) each head's output there, position by position; a shorter text
    begins anew at its second token. The same texts whatever the prompt."""
    generator = torch.Generator().manual_seed(seed)
    texts = reference_texts()
    order = torch.randperm(len(texts), generator=generator)[:draws]
    return [_of_text(_outputs(backend, texts[index]), length) for index in order.tolist()]


def _of_text(outputs: Sequence[Tensor], length: int) -> Substitute:
    n = len(outputs[0])
    positions = torch.arange(length)
    positions = torch.where(positions < n, positions, 1 + (positions - 1) % max(1, n - 1)).clamp(max=n - 1)
    stretched = [layer[positions] for layer in outputs]
    return lambda layer, _owners: stretched[layer]


@torch.no_grad()
def _outputs(backend: WhiteBoxBackend, text: str) -> tuple[Tensor, ...]:
    """L tensors `[T, H, d_head]`, what the heads hand on in a text of its own."""
    tokens = _read(backend, text)
    with backend.unedited(), entering(backend.structure.head_projections) as seen:
        backend.forward(backend.batch([tokens]), Capture(last_logits_only=True))
    return tuple(mixed[0].view(len(tokens), backend.info.n_heads, -1) for mixed, _, _ in seen)


def _read(backend: WhiteBoxBackend, text: str) -> TokenizedText:
    """As many of its words as the model can read at once."""
    words = text.split()
    while len(words) > 1:
        try:
            return backend.tokenize(" ".join(words))
        except InputError as error:
            if error.kind != "too_long":
                raise
            words = words[: len(words) * 3 // 4]
    return backend.tokenize(words[0])
