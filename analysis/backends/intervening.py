"""Edits of activations in a transformers model: module hooks, and for attention patterns an attention function of its
own. Everything is as before at the end of the block, however it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.masking_utils import eager_mask

from headscope.analysis.backends.made_up import made_up_batch
from headscope.analysis.backends.needs import unmet
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.backends.own_attention import own_attention
from headscope.analysis.backends.selection import edited
from headscope.analysis.backends.watching import close, last_hidden
from headscope.analysis.errors import BackendError, InputError, NotApplicable, UnknownNameError, message
from headscope.analysis.interfaces import Capture
from headscope.analysis.interventions import POINTS, Add, Edit, Put
from headscope.analysis.registry import Needs

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from headscope.analysis.interfaces import WhiteBoxBackend

EDITABLE = "headscope_editable"
"""The attention implementation of passes whose attention patterns are edited."""
_PATTERNS: ContextVar[Mapping[int, tuple[Edit, ...]]] = ContextVar("pattern edits, by the id of a module")


class Interventions:
    """The edits in force at one loaded model, in the order in which they are made."""

    def __init__(self) -> None:
        self.edits: tuple[Edit, ...] = ()

    @property
    def of_patterns(self) -> bool:
        """Whether an attention pattern is edited, which takes an attention implementation of its own."""
        return any(edit.point == "attention_pattern" for edit in self.edits)

    def check_steps(self) -> None:
        """Raises NotApplicable when an edit in force has no meaning in passes over parts of a text."""
        if self.of_patterns or any(edit.positions is not None for edit in self.edits):
            raise NotApplicable(
                "edits of attention patterns or of single positions are for whole passes, and this one reads on from a "
                "cache, where positions count anew: leave `positions` out, or use `forward`."
            )

    @contextmanager
    def within(self, backend: WhiteBoxBackend, edits: Sequence[Edit]) -> Iterator[None]:
        """See `WhiteBoxBackend.interventions`."""
        for edit in edits:
            _check(backend, edit)
        with self._made(backend, edits):
            yield

    @contextmanager
    def none(self, model: Any) -> Iterator[None]:
        """See `WhiteBoxBackend.unedited`."""
        before, self.edits = self.edits, ()
        attention = model.config._attn_implementation
        try:
            yield
        finally:
            self.edits = before
            if model.config._attn_implementation != attention:
                model.set_attn_implementation(attention)

    @contextmanager
    def _made(self, backend: WhiteBoxBackend, edits: Sequence[Edit]) -> Iterator[None]:
        with ExitStack() as stack:
            for edit in edits:
                for handle in self._hooks(backend, edit):
                    stack.callback(handle.remove)
            if any(edit.point == "attention_pattern" for edit in edits):
                stack.enter_context(_editable(backend, edits))
            before, self.edits = self.edits, (*self.edits, *edits)
            stack.callback(setattr, self, "edits", before)
            yield

    def _hooks(self, backend: WhiteBoxBackend, edit: Edit) -> Iterator[RemovableHandle]:
        parts, layer = backend.structure, edit.layer
        if edit.point == "residual":
            whole = self._if_in_force(edit, lambda stream: edited(stream, edit))
            last = layer == len(parts.layers)
            yield _leaving(parts.layers[-1], whole) if last else _entering(parts.layers[layer], whole)
        elif edit.point == "head_output":
            n = backend.info.n_heads
            per_head = self._if_in_force(
                edit, lambda mixed: edited(mixed.view(*mixed.shape[:-1], n, -1), edit).view_as(mixed)
            )
            yield _entering(parts.head_projections[layer], per_head)
        elif edit.point != "attention_pattern":
            shapes: list[torch.Size] = []  # of the stream: some MLPs return rows and positions flattened
            yield _entering(parts.layers[layer], lambda stream: shapes.append(stream.shape))
            modules = parts.attn_updates if edit.point == "attention_output" else parts.mlp_updates
            update = self._if_in_force(edit, lambda output: _shaped(edit, output, shapes[-1]))
            yield _leaving(modules[layer], update)

    def _if_in_force(self, edit: Edit, change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor | None]:
        return lambda tensor: change(tensor) if edit in self.edits else None


def _shaped(edit: Edit, output: Tensor, shape: torch.Size) -> Tensor:
    if output.numel() != shape.numel():
        raise BackendError(
            f"{edit.point} of layer {edit.layer} was computed for some positions only: it is not edited."
        )
    return edited(output.reshape(shape), edit).view_as(output)


def _entering(module: nn.Module, change: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """The module reads what `change` makes of its first input; None leaves it."""

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        made = change(args[0] if args else kwargs["hidden_states"])
        if made is None:
            return None
        return ((made, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": made})

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def _leaving(module: nn.Module, change: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """The module returns what `change` makes of its (first) output; None leaves it."""

    def hook(_: nn.Module, _inputs: Any, output: Any) -> Any:
        made = change(output[0] if isinstance(output, tuple) else output)
        return (made, *output[1:]) if made is not None and isinstance(output, tuple) else made

    return module.register_forward_hook(hook)


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, Tensor]:
    """The module's own eager attention; where its pattern is edited, the values are weighed by the edited one."""
    own: Any = sys.modules[type(module).__module__]
    output, weights = own.eager_attention_forward(module, query, key, value, mask, **options)
    edits = _PATTERNS.get({}).get(id(module), ())
    if not edits:
        return output, weights
    for edit in edits:
        weights = edited(weights, edit)
    groups = weights.shape[1] // value.shape[1]
    return (weights @ value.repeat_interleave(groups, dim=1)).transpose(1, 2).contiguous(), weights


@contextmanager
def _editable(backend: WhiteBoxBackend, edits: Sequence[Edit]) -> Iterator[None]:
    found = dict(_PATTERNS.get({}))
    for edit in edits:
        attention = backend.structure.attentions[edit.layer] if edit.point == "attention_pattern" else None
        for module in () if attention is None else attention.modules():  # the one that attends may lie inside
            found[id(module)] = (*found.get(id(module), ()), edit)
    token = _PATTERNS.set(found)
    try:
        with own_attention(backend.model, EDITABLE, _attention, eager_mask):
            yield
    finally:
        _PATTERNS.reset(token)


@once_per_model
@torch.no_grad()
def why_no_patterns(backend: WhiteBoxBackend) -> str | None:
    """Why attention patterns cannot be edited, or None: edits that change nothing, tried on a few made-up tokens, must
    be asked for the model's own patterns and leave its last states as they are."""
    name, layers = backend.info.architecture, _readable(backend)
    batch, seen = made_up_batch(backend, 6), list[Tensor]()
    embeddings = backend.embed(batch)

    def states() -> Tensor:
        return last_hidden(backend.structure.base(inputs_embeds=embeddings.clone(), use_cache=False))

    def look(pattern: Tensor) -> Tensor:
        seen.append(pattern)
        return pattern

    patterns = backend.forward(batch, Capture(attention=True)).attentions  # leaves eager attention behind
    expected = states()
    try:
        with _editable(backend, [Edit("attention_pattern", layer, look) for layer in layers]):
            found = states()
    except Exception as error:  # whatever an unknown architecture raises, its attention is not replaced
        return f"the attention of {name} cannot be replaced ({message(error).splitlines()[0]})"
    if len(seen) != len(layers):
        return f"{name} does not let its attention be replaced"
    same = (close(pattern, patterns[layer]) for layer, pattern in zip(layers, seen, strict=True))
    if not (all(same) and close(found, expected)):
        return f"attention patterns times values are not what the heads of {name} hand on"
    return None


def _readable(backend: WhiteBoxBackend) -> Sequence[int]:
    everywhere = range(backend.info.n_layers) if backend.capabilities.attention else ()
    return backend.capabilities.attention_layers or everywhere


def _check(backend: WhiteBoxBackend, edit: Edit) -> None:
    """Raises UnknownNameError, InputError (kind `edit`), or NotApplicable with the model's reason."""
    if edit.point not in POINTS:
        raise UnknownNameError("point of an edit", edit.point, POINTS)
    if edit.change != "zero" and not isinstance(edit.change, Put | Add) and not callable(edit.change):
        raise InputError(f"{edit.change!r} is no change: give 'zero', Put, Add or a function.", "edit")
    most = backend.info.n_layers - (edit.point != "residual")
    if not 0 <= edit.layer <= most:
        raise InputError(f"there is no {edit.point} at layer {edit.layer}: layers go from 0 to {most}.", "edit")
    if edit.head is not None and edit.point not in ("head_output", "attention_pattern"):
        raise InputError(f"{edit.point} has no heads: leave `head` out, or edit head_output.", "edit")
    if reason := _why_not(backend, edit):
        raise NotApplicable(f"{edit.point} of layer {edit.layer} cannot be edited: {reason}.")


def _why_not(backend: WhiteBoxBackend, edit: Edit) -> str | None:
    capabilities, name = backend.capabilities, backend.info.architecture
    if edit.point == "attention_pattern":
        if edit.layer not in _readable(backend):
            return capabilities.no_attention or f"attention weights cannot be read from {name}"
        return why_no_patterns(backend)
    updates = edit.point in ("attention_output", "mlp_output")
    return unmet(Needs(heads=edit.point == "head_output", sublayers=updates), backend)
