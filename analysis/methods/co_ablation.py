"""Conditional co-ablation (arXiv 2607.01940): what a head is worth when the heads whose work it can take over, or that
can take over its own, are gone too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from headscope.analysis.attribution.head_effects import HeadEffects, HeadMethod
from headscope.analysis.attribution.head_removal import NO_HEAD, HeadRemoval, Substitute
from headscope.analysis.attribution.head_substitutes import own
from headscope.analysis.types import Params
from headscope.analysis.types.outcome import Outcome

MOST_BACKUPS = 10
NOTICEABLE = 0.1
"""A backup's effect grows by this share of the largest effect of any head at least."""


class CoAblation(HeadMethod):
    """Effects of ablated heads on the explained quantity v, nats; scores `[condition, layer, head]`, signed.

    Condition 1 is head ablation: `v() - v(h)`, v(X) the value without the heads X. The primaries S are the `seeds`
    heads of the largest positive effect there. Condition 0 counts backups: for a head outside S `v(S) - v(S + h)`, its
    effect once the primaries are gone; for a primary `v(B - h) - v(B + h)`, its effect when no backup steps in. The
    backups B are the heads whose effect grows most without the (other) primaries: at most 10, by a tenth of the largest
    effect of any head at least, to a positive one; primaries may be each other's.

    The paper measures the change of the whole output distribution, and needs no target; here it is the explained
    quantity, as in all methods, so that a head can also be found to work against it.
    """

    NAME: ClassVar[str] = "co_ablation"

    AXES = ("condition", "layer", "head")

    def effects(self, removal: HeadRemoval, settings: Params) -> HeadEffects:
        """See `HeadMethod`; about twice the passes of head ablation, which shares half of them when it is asked for
        too."""
        found = _co_ablated(removal, settings["kind"], settings["seeds"])
        scores = torch.stack([found.beside, found.alone], dim=1).view(len(found.alone), 2, removal.n_layers, -1)
        outcomes = [_outcome(found, i, removal.n_heads) for i in range(len(scores))]
        return HeadEffects(scores.cpu().numpy(), outcomes)


@dataclass(frozen=True, slots=True)
class _CoAblated:
    """alone, beside, growth: `[B, L * H]`. primaries `[B, K]`, backups `[B, M]`, heads with the most first, or
    `NO_HEAD`. lost, lost_with_backups: `[B]`, what all primaries, and all of both, are worth together."""

    alone: Tensor
    beside: Tensor
    growth: Tensor
    primaries: Tensor
    backups: Tensor
    lost: Tensor
    lost_with_backups: Tensor


def _co_ablated(removal: HeadRemoval, kind: str, seeds: int) -> _CoAblated:
    substitute = own(kind, removal)
    prompts = torch.arange(len(removal.values), device=removal.values.device)
    alone = removal.values[:, None] - removal.alone(kind, substitute).flatten(1)
    primaries = _most(alone, alone > 0, seeds)
    without = removal.without(prompts, primaries, substitute)
    beside = without[:, None] - removal.each(substitute, primaries).flatten(1)
    beside = _put(beside, primaries, _beside(removal, substitute, primaries, primaries))
    growth = beside - alone
    largest = torch.maximum(alone.abs(), beside.abs()).amax(1, keepdim=True)
    backups = _most(growth, (growth >= NOTICEABLE * largest) & (beside > 0) & (growth > 0), MOST_BACKUPS)
    beside = _put(beside, primaries, _beside(removal, substitute, primaries, backups))
    both = removal.without(prompts, torch.cat([primaries, backups], dim=1), substitute)
    return _CoAblated(alone, beside, growth, primaries, backups, removal.values - without, removal.values - both)


def _most(values: Tensor, eligible: Tensor, most: int) -> Tensor:
    """The heads of the largest values `[B, L * H]` among the eligible ones, at most so many; `NO_HEAD` after them."""
    top = values.masked_fill(~eligible, -torch.inf).topk(min(most, values.shape[1]), dim=1)
    return top.indices.masked_fill(top.values == -torch.inf, NO_HEAD)


def _beside(removal: HeadRemoval, substitute: Substitute, heads: Tensor, others: Tensor) -> Tensor:
    """Effects `[B, K]` of heads `[B, K]` when the others `[B, M]` but the head itself are removed."""
    n, k = heads.shape
    owners = torch.arange(n, device=heads.device).repeat_interleave(k)
    mine = heads.flatten()[:, None]
    left = others[owners].masked_fill(others[owners] == mine, NO_HEAD)
    present, both = (removal.without(owners, off, substitute) for off in (left, torch.cat([left, mine], dim=1)))
    return (present - both).view(n, k)


def _put(values: Tensor, heads: Tensor, replacement: Tensor) -> Tensor:
    """Values `[B, L * H]` with those of heads `[B, K]` replaced; what is for `NO_HEAD` falls on a column too many."""
    wider = torch.cat([values, values[:, :1]], dim=1)
    return wider.scatter(1, heads % wider.shape[1], replacement)[:, :-1]


def _outcome(found: _CoAblated, i: int, n_heads: int) -> Outcome:
    primaries, backups = ([head for head in row[i].tolist() if head >= 0] for row in (found.primaries, found.backups))
    name = {head: f"{head // n_heads}.{head % n_heads}" for head in (*primaries, *backups)}
    grown = ", ".join(f"{name[head]} {float(found.growth[i, head]):+.3f}" for head in backups)
    return Outcome(
        facts={
            "primaries (layer.head)": ", ".join(name[head] for head in primaries) or "none: no head helps",
            "backups (layer.head, growth)": grown or "none",
            "lost without the primaries": float(found.lost[i]),
            "lost without primaries and backups": float(found.lost_with_backups[i]),
        }
    )
