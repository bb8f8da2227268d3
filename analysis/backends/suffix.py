"""The last layers of a model on their own: what an intervention in layer l costs is only the layers from l on.

Layers are called as the model itself calls them: their other arguments (masks, rotary angles) are those of a real
forward pass. `why_no_suffix` tries it on a model before anything is built on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from headscope.analysis.backends.made_up import made_up_batch
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.errors import BackendError
from headscope.analysis.interfaces import Capture, ForwardResult, TokenBatch, WhiteBoxBackend
from headscope.analysis.interventions import Edit
from headscope.analysis.types import ModelInfo, Target
from headscope.analysis.vocabulary import chunk_rows
from headscope.analysis.workspace import quantities

BYTES_PER_PASS = 1 << 30
TOKENS_PER_PASS = 1024
"""More tokens in one pass than this are no faster: the matrix products are at full speed, and caches overflow."""
_FLOATS_PER_STATE = 32  # what one layer holds at once per token and unit of width, without a gradient graph


class LayerSuffix:
    """One forward pass of a batch, and reruns of its last layers from changed residual streams.

    inputs: L tensors `[B, T, d]`, the residual stream each layer reads. result: the pass itself, with residuals and
    updates; its logits `[B, 1, V]` are those at each prompt's last token. Reruns must come before any other use of the
    model with eager attention: the arguments of the layers belong to the fused one.
    """

    def __init__(self, backend: WhiteBoxBackend, batch: TokenBatch, embeddings: Tensor) -> None:
        self.backend, self._layers = backend, backend.structure.layers
        first = TokenBatch(batch.texts[:1], batch.input_ids[:1], batch.attention_mask[:1], batch.lengths[:1])
        with entering(self._layers) as seen:
            backend.forward(first, Capture(), embeddings=embeddings[:1])
        # of one row, so that they stretch to any number of rows
        self._arguments = [(args, kwargs) for _, args, kwargs in seen]
        with entering(self._layers) as seen:
            self.result: ForwardResult = backend.forward(
                batch, Capture(residuals=True, last_logits_only=True), embeddings=embeddings
            )
        self.inputs = tuple(hidden for hidden, _, _ in seen)
        self._attention = self._implementation()

    @torch.no_grad()
    def run(self, layer: int, hidden: Tensor, positions: Tensor, edits: Sequence[Edit] = ()) -> Tensor:
        """From the residual stream `[N, T, d]` that `layer` reads to the last one at `positions` `[N]`, `[N, d]`, with
        these edits (of the layers that run; patterns must be edited around the first pass already).

        The last MLP computes those positions only, unless the rerun starts in its layer or an edit lies there.
        """
        with self.backend.interventions(edits):
            return self._rerun(layer, hidden, positions)

    def _rerun(self, layer: int, hidden: Tensor, positions: Tensor) -> Tensor:
        if self._implementation() != self._attention:
            raise BackendError("the model's attention was switched between a pass and the rerun of its last layers.")
        last = len(self._layers) - 1
        whole = layer == last or any(edit.layer >= last for edit in self.backend.edits)
        for index in range(layer, last + 1):
            args, kwargs = self._arguments[index]
            shorter = self.backend.structure.mlp_updates[index:] if index == last and not whole else ()
            with _at_positions(shorter, positions, hidden.shape):
                found = self._layers[index](hidden, *args, **kwargs)
            hidden = found[0] if isinstance(found, tuple) else found
        return hidden[torch.arange(len(hidden)), positions]

    @torch.no_grad()
    def values(self, rows: Tensor, targets: Sequence[Target]) -> Tensor:
        """The explained quantity `[N]` (nats) from final residuals `[N, d]`, one target per row."""
        step, found = chunk_rows(self.backend.info.vocab_size), []
        for start in range(0, len(rows), step):
            logits = self.backend.unembed(rows[start : start + step]).float()
            found.append(quantities(logits, targets[start : start + step]))
        return torch.cat(found)

    def _implementation(self) -> str:
        return str(self.backend.model.config._attn_implementation)  # type: ignore[union-attr]


def rows_per_pass(info: ModelInfo, length: int) -> int:
    """How many rows of `length` tokens one rerun takes, at least 1."""
    row = 4 * _FLOATS_PER_STATE * info.d_model * length
    return max(1, min(BYTES_PER_PASS // row, TOKENS_PER_PASS // length))


@once_per_model
@torch.no_grad()
def why_no_suffix(backend: WhiteBoxBackend) -> str | None:
    """Why the last layers of this model cannot be run on their own, or None. Tries it on a short made-up batch."""
    batch = made_up_batch(backend, 5, 2)
    at = batch.lengths - torch.tensor([1, 3], device=batch.lengths.device)
    try:
        suffix = LayerSuffix(backend, batch, backend.embed(batch))
        expected = suffix.result.residuals[-1][torch.arange(2), at]
        same = [_close(suffix.run(layer, hidden, at), expected) for layer, hidden in enumerate(suffix.inputs)]
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        return f"the layers of {backend.info.architecture} cannot be run on their own ({error})"
    if not all(same):
        return f"the layers of {backend.info.architecture}, run on their own, do not give what the whole model gives"
    return None


def _close(found: Tensor, expected: Tensor) -> bool:
    tolerance = 1e-4 if expected.dtype == torch.float32 else 5e-2
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max().clamp_min(1e-6))


@contextmanager
def _at_positions(modules: Sequence[nn.Module], positions: Tensor, shape: Sequence[int]) -> Iterator[None]:
    """The modules see one position of each row, `[N, 1, d]`; added to the stream `[N, T, d]` theirs fits that position.

    The other positions are wrong then, so this is for what nobody reads any more.
    """

    def enter(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not args or args[0].shape[:2] != shape[:2]:
            return None  # an MLP that is called in another way computes all positions
        return (args[0][torch.arange(len(positions)), positions][:, None], *args[1:])

    handles = [module.register_forward_pre_hook(enter) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
