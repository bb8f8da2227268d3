"""The part of an activation that an edit is about, and the activation with that part changed."""

from __future__ import annotations

import torch
from torch import Tensor

from headscope.analysis.errors import InputError
from headscope.analysis.interventions import Add, Edit, Put

_Index = tuple[Tensor | slice, ...]


def edited(activation: Tensor, edit: Edit) -> Tensor:
    """A copy of the activation with the edit made, in the gradient graph of both.

    activation: `[N, T, d]`, of heads `[N, T, H, d_head]`, of patterns `[N, H, query, key]`. Raises InputError, kind
    `edit`, for rows, heads or positions that are not there and for values that do not fit.
    """
    pattern = edit.point == "attention_pattern"
    whole = activation.transpose(1, 2) if pattern else activation  # [row, position, head, ...]
    every_head = pattern and edit.head is None
    index = _index(edit, whole)
    made = _made(edit, whole[index].transpose(1, 2) if every_head else whole[index])
    changed = whole.clone()
    changed[index] = made.transpose(1, 2) if every_head else made
    return changed.transpose(1, 2) if pattern else changed


def _made(edit: Edit, chosen: Tensor) -> Tensor:
    """What takes the place of the chosen part, of its shape."""
    if edit.change == "zero":
        return torch.zeros_like(chosen)
    value = edit.change.value if isinstance(edit.change, Put | Add) else edit.change(chosen)
    try:
        value = value.to(chosen).expand_as(chosen)
    except RuntimeError as error:
        raise _misfit(edit, f"a value of shape {list(value.shape)} for a part of shape {list(chosen.shape)}") from error
    return chosen + value if isinstance(edit.change, Add) else value


def _index(edit: Edit, whole: Tensor) -> _Index:
    """What chooses `[N, P, ...]` from `[row, position, (head), ...]`."""
    rows = _at(edit, "row", edit.rows, whole, 0)
    positions = _at(edit, "position", edit.positions, whole, 1)
    head = _at(edit, "head", edit.head, whole, 2)
    if rows is None and positions is None and (head is None or not head.dim()):
        return (slice(None),) * 2 if head is None else (slice(None), slice(None), head)
    rows = torch.arange(len(whole), device=whole.device) if rows is None else rows
    for given, shape in ((head, ()), (positions, (0,))):
        if given is not None and given.dim() > len(shape) and len(given) != len(rows):
            raise _misfit(edit, f"{len(given)} rows of heads or positions for {len(rows)} rows")
    if positions is None:
        return (rows, slice(None)) if head is None else (rows, slice(None), head.expand(len(rows)))
    rows = rows[:, None]
    return (rows, positions) if head is None else (rows, positions, head.expand(len(rows))[:, None])


def _at(edit: Edit, what: str, asked: object, whole: Tensor, dim: int) -> Tensor | None:
    """The asked indexes on the device of the activation, all of them there."""
    if asked is None:
        return None
    found = torch.as_tensor(asked)
    if found.numel() and (found.is_floating_point() or found.dtype == torch.bool):
        raise _misfit(edit, f"{what}s as {found.dtype} where whole numbers are wanted")
    size = whole.shape[dim]
    if found.numel() and not 0 <= int(found.min()) <= int(found.max()) < size:
        raise _misfit(edit, f"{what} {asked} where they go from 0 to {size - 1}")
    return found.to(whole.device, torch.long)


def _misfit(edit: Edit, what: str) -> InputError:
    return InputError(f"the edit of {edit.point} at layer {edit.layer} does not fit this pass: {what}.", "edit")
