"""Where a Hugging Face causal LM keeps its layers, sublayers, final norm and unembedding: found, then checked.

Nothing is taken on trust: a short pass compares what was found with what the model computes itself, and what does not
add up is reported as missing instead of being shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from headscope.analysis.backends.heads import head_projections
from headscope.analysis.backends.unembedding import to_logits
from headscope.analysis.backends.watching import Passage, close, last_hidden, passage
from headscope.analysis.errors import BackendError

_MLP_NAMES = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "moe", "feedforward")
_POST_NORMS = (("post_attention_layernorm", "post_feedforward_layernorm"),)
"""Gemma 2, OLMo 2 and their like norm a sublayer's output before adding it."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Parts of the model, one entry per layer. The update tuples are empty where they could not be found.

    attentions: None for a layer without (hybrids, state-space models).
    tail: modules between the last layer and the unembedding (final norm, sometimes a projection), in order.
    head_projections: of each layer, the linear map from the heads' outputs, side by side, to the attention update.
    """

    base: nn.Module
    layers: tuple[nn.Module, ...]
    attentions: tuple[nn.Module | None, ...]
    attn_updates: tuple[nn.Module, ...]
    mlp_updates: tuple[nn.Module, ...]
    tail: tuple[nn.Module, ...]
    head_projections: tuple[nn.Module, ...]


def discover(model: nn.Module) -> Structure:
    """Find and check the parts of `model` (already in eval mode, with SDPA or eager attention) in two short passes.

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
    tail, expected = _tail(model, base, layers, ids)
    inner = [module for layer in layers for module in layer.modules()]
    with torch.no_grad(), passage(inner) as seen:
        hidden = last_hidden(base(inputs_embeds=embedding(ids), use_cache=False))
    structure = Structure(base, layers, _attentions(layers), (), (), tail, ())
    _check_logits(model, structure, seen.left.get(id(layers[-1])), hidden, expected)
    attn_updates, mlp_updates = _updates(structure, seen)
    structure = replace(structure, attn_updates=attn_updates, mlp_updates=mlp_updates)
    attentions = _all(structure.attentions)
    if not attentions:
        return structure
    return replace(structure, head_projections=head_projections(attentions, attn_updates, seen))


def _layers(base: nn.Module, count: int) -> tuple[nn.Module, ...] | None:
    for module in base.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return tuple(module)
    return None


def _attentions(layers: Sequence[nn.Module]) -> tuple[nn.Module | None, ...]:
    """The outermost module of each layer whose class is called an attention."""
    return tuple(_first(layer, lambda _, module: "Attention" in type(module).__name__) for layer in layers)


def _all(modules: Sequence[nn.Module | None]) -> tuple[nn.Module, ...]:
    """The modules, or an empty tuple when one is None."""
    found = tuple(module for module in modules if module is not None)
    return found if len(found) == len(modules) else ()


def _first(layer: nn.Module, wanted: Callable[[str, nn.Module], bool]) -> nn.Module | None:
    return next((module for name, module in layer.named_modules() if name and wanted(name, module)), None)


@torch.no_grad()
def _tail(
    model: nn.Module, base: nn.Module, layers: Sequence[nn.Module], ids: Tensor
) -> tuple[tuple[nn.Module, ...], Tensor]:
    """Modules of the base called after the last layer, outermost only, in the order of their calls; the logits."""
    called: list[nn.Module] = []
    inside = {id(module) for layer in layers for module in layer.modules()}
    outer = [m for m in base.modules() if id(m) not in inside and not isinstance(m, nn.ModuleList)]
    # a module that holds the layers is still running when they end: only the leaves around them matter
    leaves = [m for m in outer if not any(id(child) in inside for child in m.modules())]

    def remember(module: nn.Module, *_: Any) -> None:
        called.append(module)

    handles = [module.register_forward_hook(remember) for module in (*leaves, layers[-1])]
    try:
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()
    after = called[called.index(layers[-1]) + 1 :]
    parts = {id(part) for module in after for part in module.modules() if part is not module}
    return tuple(module for module in after if id(module) not in parts), logits


@torch.no_grad()
def _check_logits(
    model: nn.Module, structure: Structure, lens: Tensor | None, hidden: Tensor, expected: Tensor
) -> None:
    """`lens`: what the last layer returned; `hidden`: what the base model returned; both must lead to `expected`."""
    for module in structure.tail if lens is not None else ():
        lens = module(lens)
    for found in (to_logits(model, hidden), None if lens is None else to_logits(model, lens)):
        if found is None or not close(found, expected):
            raise BackendError(
                f"the architecture {type(model).__name__} is not supported: its logits are not what its final norm and "
                "unembedding give, so a logit lens or a gradient to its embeddings would be wrong."
            )


def _updates(structure: Structure, seen: Passage) -> tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]:
    """Modules whose outputs add up to the change of the residual stream in every layer, or two empty tuples."""
    for attentions, mlps in _candidates(structure):
        if all(map(partial(_adds_up, seen), structure.layers, attentions, mlps)):
            return attentions, mlps
    return (), ()


def _adds_up(seen: Passage, layer: nn.Module, attention: nn.Module, mlp: nn.Module) -> bool:
    start, parts = seen.entered.get(id(layer)), [seen.left.get(id(module)) for module in (attention, mlp, layer)]
    if start is None or any(part is None or part.numel() != start.numel() for part in parts):
        return False
    one, two, end = (part.view_as(start) for part in parts if part is not None)
    return close(start + one + two, end)


def _candidates(structure: Structure) -> Iterator[tuple[tuple[nn.Module, ...], tuple[nn.Module, ...]]]:
    attentions, mlps = _all(structure.attentions), _all([mlp_of(layer) for layer in structure.layers])
    if attentions and mlps:
        yield attentions, mlps
    for names in _POST_NORMS:
        if all(hasattr(layer, name) for layer in structure.layers for name in names):
            yield (
                tuple(getattr(layer, names[0]) for layer in structure.layers),
                tuple(getattr(layer, names[1]) for layer in structure.layers),
            )


def mlp_of(layer: nn.Module) -> nn.Module | None:
    """The layer's feed-forward part, by the names that families give it; of OPT its second linear map."""
    named = _first(layer, lambda name, _: name.lower() in _MLP_NAMES)
    return named if named is not None else _first(layer, lambda name, _: name == "fc2")
