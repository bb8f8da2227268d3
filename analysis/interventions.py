"""Changes to a model's activations while it runs: which activation, where, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from torch import Tensor

Point = Literal["residual", "attention_output", "head_output", "mlp_output", "attention_pattern"]
POINTS: tuple[str, ...] = get_args(Point)


@dataclass(frozen=True, slots=True, eq=False)
class Put:
    """`value` takes the place of the activation; stretched to its shape and dtype."""

    value: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Add:
    """`value` is added to the activation (steering); stretched to its shape and dtype."""

    value: Tensor


Change = Literal["zero"] | Put | Add | Callable[["Tensor"], "Tensor"]
"""A function gets the chosen part of the activation and returns what takes its place, of a shape that stretches to it.
It stays in the gradient graph and must not write into what it gets."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One change, in every pass inside `WhiteBoxBackend.interventions`.

    point, and the shape of what `change` gets (N rows, P positions, all of both unless chosen):
    - `residual` `[N, P, d]`: the residual stream that `layer` reads; layer L is what the final norm reads;
    - `attention_output`, `mlp_output` `[N, P, d]`: what the sublayer adds to the stream (`ForwardResult.attn_updates`,
      `mlp_updates`);
    - `head_output` `[N, P, H, d_head]`, of one head `[N, P, d_head]`: what enters the attention's output projection;
    - `attention_pattern` `[N, H, P, key]`, of one head `[N, P, key]`: weights after the softmax; positions are queries.

    head: a head, or int64 `[N]`, another for each row. positions: from 0 (padding is on the right), or int64 `[N, P]`,
    others for each row. rows: of the batch.
    """

    point: Point
    layer: int
    change: Change
    head: int | Tensor | None = None
    positions: Sequence[int] | Tensor | None = None
    rows: Sequence[int] | None = None
