"""Where a Hugging Face causal LM keeps its layers, sublayers, final norm and unembedding: found, then checked.

Nothing is taken on trust: a short pass compares what was found with what the model computes itself, and what does not
add up is reported as missing instead of being shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from analysis.errors import BackendError

_MLP_NAMES = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "moe", "feedforward")
_POST_NORMS = (("post_attention_layernorm", "post_feedforward_layernorm"),)
"""Gemma 2, OLMo 2 and their like norm a sublayer's output before adding it."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Parts of the model, one entry per layer. The update tuples are empty where they could not be found.

    tail: modules between the last layer and the unembedding (final norm, sometimes a projection), in order.
    """

    base: nn.Module
    layers: tuple[nn.Module, ...]
    attentions: tuple[nn.Module, ...]
    attn_updates: tuple[nn.Module, ...]
    mlp_updates: tuple[nn.Module, ...]
    tail: tuple[nn.Module, ...]


@contextmanager
def watching(modules: Sequence[nn.Module], element: int = 0) -> Iterator[list[Tensor | None]]:
    """Keeps what each module returns in the passes inside the block (references, no copies).

    `element` chooses from a tuple; a module that returns a bare tensor has element 0 only.
    """
    kept: list[Tensor | None] = [None] * len(modules)

    def keep(index: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            parts = output if isinstance(output, tuple) else (output,)
            kept[index] = parts[element] if element < len(parts) else None

        return hook

    handles = [module.register_forward_hook(keep(index)) for index, module in enumerate(modules)]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def complete(kept: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """The kept tensors, or an empty tuple when a module returned none."""
    found = tuple(tensor for tensor in kept if tensor is not None)
    return found if len(found) == len(kept) else ()


def last_hidden(output: Any) -> Tensor:
    """The hidden states a base model returns."""
    hidden: Tensor = output.last_hidden_state if hasattr(output, "last_hidden_state") else output[0]
    return hidden


def to_logits(model: nn.Module, hidden: Tensor) -> Tensor:
    """Unembedding of final-normed hidden states `[..., d]`, with the scaling and capping some families add."""
    logits: Tensor = model.get_output_embeddings()(hidden)  # type: ignore[operator]
    config: Any = model.config
    if getattr(config, "logits_scaling", None):
        logits = logits / config.logits_scaling
    if getattr(config, "logit_scale", None):
        logits = logits * config.logit_scale
    if getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / config.final_logit_softcapping) * config.final_logit_softcapping
    return logits


def discover(model: nn.Module) -> Structure:
    """Find and check the parts of `model` (already in eval mode, with SDPA or eager attention).

    Raises BackendError when the layers or the path from the last layer to the logits are not understood.
    """
    config: Any = model.config.get_text_config()  # type: ignore[union-attr, operator]
    base: Any = model.base_model
    layers = _layers(base, config.num_hidden_layers)
    if layers is None or model.get_output_embeddings() is None:  # type: ignore[operator]
        raise BackendError(
            f"the architecture {type(model).__name__} is not supported: no stack of {config.num_hidden_layers} layers "
            "with an unembedding was found in it. Use a decoder-only language model."
        )
    embedding: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    ids = (torch.arange(5, device=next(model.parameters()).device) * 7 + 1)[None] % config.vocab_size
    tail = _tail(base, layers, ids)
    structure = Structure(base, layers, _attentions(layers), (), (), tail)
    _check_logits(model, structure, ids, embedding)
    attn_updates, mlp_updates = _updates(structure, ids, embedding)
    return Structure(base, layers, structure.attentions, attn_updates, mlp_updates, tail)


def _layers(base: nn.Module, count: int) -> tuple[nn.Module, ...] | None:
    for module in base.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return tuple(module)
    return None


def _attentions(layers: Sequence[nn.Module]) -> tuple[nn.Module, ...]:
    """The outermost module of each layer whose class is called an attention; empty when a layer has none."""
    found = [_first(layer, lambda _, module: "Attention" in type(module).__name__) for layer in layers]
    return tuple(module for module in found if module is not None) if None not in found else ()


def _first(layer: nn.Module, wanted: Callable[[str, nn.Module], bool]) -> nn.Module | None:
    return next((module for name, module in layer.named_modules() if name and wanted(name, module)), None)


@torch.no_grad()
def _tail(base: nn.Module, layers: Sequence[nn.Module], ids: Tensor) -> tuple[nn.Module, ...]:
    """Modules called after the last layer, outermost only, in the order of their calls."""
    called: list[nn.Module] = []
    inside = {id(module) for layer in layers for module in layer.modules()}
    outer = [m for m in base.modules() if id(m) not in inside and not isinstance(m, nn.ModuleList)]
    # a module that holds the layers is still running when they end: only the leaves around them matter
    leaves = [m for m in outer if not any(id(child) in inside for child in m.modules())]

    def remember(module: nn.Module, *_: Any) -> None:
        called.append(module)

    handles = [module.register_forward_hook(remember) for module in (*leaves, layers[-1])]
    try:
        base(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    after = called[called.index(layers[-1]) + 1 :]
    parts = {id(part) for module in after for part in module.modules() if part is not module}
    return tuple(module for module in after if id(module) not in parts)


@torch.no_grad()
def _check_logits(model: nn.Module, structure: Structure, ids: Tensor, embedding: nn.Module) -> None:
    expected: Tensor = model(input_ids=ids, use_cache=False).logits
    with watching(structure.layers[-1:]) as kept:
        hidden = last_hidden(structure.base(inputs_embeds=embedding(ids), use_cache=False))
    lens = kept[0]
    for module in structure.tail:
        lens = module(lens)
    for found in (to_logits(model, hidden), None if lens is None else to_logits(model, lens)):
        if found is None or not close(found, expected):
            raise BackendError(
                f"the architecture {type(model).__name__} is not supported: its logits are not what its final norm and "
                "unembedding give, so a logit lens or a gradient to its embeddings would be wrong."
            )


@torch.no_grad()
def _updates(
    structure: Structure, ids: Tensor, embedding: nn.Module
) -> tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]:
    """Modules whose outputs add up to the change of the residual stream in every layer, or two empty tuples."""
    for attention, mlp in _candidates(structure):
        before: list[Tensor] = []

        def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], seen: list[Tensor] = before) -> None:
            seen.append(args[0] if args else kwargs["hidden_states"])

        handles = [layer.register_forward_pre_hook(enter, with_kwargs=True) for layer in structure.layers]
        try:
            with watching(structure.layers) as after, watching(attention) as added, watching(mlp) as gated:
                structure.base(inputs_embeds=embedding(ids), use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        parts = zip(before, complete(after), complete(added), complete(gated), strict=False)
        sums = [close(start + one.view_as(start) + two.view_as(start), end) for start, end, one, two in parts]
        if len(sums) == len(structure.layers) and all(sums):
            return attention, mlp
    return (), ()


def _candidates(structure: Structure) -> Iterator[tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]]:
    mlps = [_mlp(layer) for layer in structure.layers]
    if structure.attentions and None not in mlps:
        yield structure.attentions, tuple(module for module in mlps if module is not None)
    for names in _POST_NORMS:
        if all(hasattr(layer, name) for layer in structure.layers for name in names):
            yield (
                tuple(getattr(layer, names[0]) for layer in structure.layers),
                tuple(getattr(layer, names[1]) for layer in structure.layers),
            )


def _mlp(layer: nn.Module) -> nn.Module | None:
    named = _first(layer, lambda name, _: name.lower() in _MLP_NAMES)
    return named if named is not None else _first(layer, lambda name, _: name == "fc2")


def close(found: Tensor, expected: Tensor) -> bool:
    """Equal up to rounding, relative to the largest value."""
    if found.shape != expected.shape:
        return False
    tolerance = 1e-4 if expected.dtype == torch.float32 else 5e-2
    scale = expected.abs().max().clamp_min(1e-6)
    return bool(((found - expected).abs().max() / scale) < tolerance)
