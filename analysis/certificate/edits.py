"""Intervention points: an edit that changes nothing changes nothing, and one that does changes what it says."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.certificate.captures import attention_update, require, written_by_attention, written_by_heads
from headscope.analysis.certificate.judging import Subject
from headscope.analysis.errors import NotApplicable
from headscope.analysis.interfaces import Capture, TokenBatch
from headscope.analysis.interventions import POINTS, Edit, Put
from headscope.analysis.registry import Needs
from headscope.analysis.types.certificate import ModelCheck


def put_back(subject: Subject) -> ModelCheck:
    """At every point that this model has, the activation put back in its own place."""
    backend, layer, pairs, points = subject.backend, _middle(subject), [], []
    expected = backend.forward(subject.longest, Capture()).logits
    for point in POINTS:
        seen: list[Tensor] = []
        try:
            with backend.interventions([Edit(point, layer, _kept(seen))]):  # type: ignore[arg-type]
                backend.forward(subject.longest, Capture())
            with backend.interventions([Edit(point, layer, Put(seen[-1]))]):  # type: ignore[arg-type]
                pairs.append((backend.forward(subject.longest, Capture()).logits, expected))
        except NotApplicable:
            continue  # the check of what it needs says why
        points.append(point.replace("_", " "))
    what = f"put back in its place at layer {layer}, an activation changes no logit ({', '.join(points)})"
    return subject.judged("put back", pairs, what)


def _kept(seen: list[Tensor]) -> Callable[[Tensor], Tensor]:
    def keep(activation: Tensor) -> Tensor:
        seen.append(activation.detach().clone())
        return activation

    return keep


def put_over(subject: Subject) -> ModelCheck:
    """The stream of one prompt put over that of another as long makes it that prompt, from there on."""
    backend, first = subject.backend, subject.longest
    ids = first.input_ids.roll(1, -1)
    other = TokenBatch(first.texts, ids, first.attention_mask, first.lengths)
    with entering(backend.structure.layers) as seen:
        expected = backend.forward(first, Capture()).logits
    pairs = []
    for layer in sorted({0, _middle(subject), backend.info.n_layers - 1}):
        with backend.interventions([Edit("residual", layer, Put(seen[layer][0]))]):
            pairs.append((backend.forward(other, Capture()).logits, expected))
    what = "the residual stream of one prompt, put over another's at a layer, gives the first one's logits"
    return subject.judged("put over", pairs, what)


def zeroed_heads(subject: Subject) -> ModelCheck:
    """In one layer: each head on its own, one row of a batch for each."""
    return _zeroed(subject, [_middle(subject)])


def zeroed_heads_everywhere(subject: Subject) -> ModelCheck:
    """In every layer."""
    return _zeroed(subject, range(subject.backend.info.n_layers))


def _zeroed(subject: Subject, layers: list[int] | range) -> ModelCheck:
    require(subject, Needs(heads=True, sublayers=True))
    backend, heads = subject.backend, torch.arange(subject.backend.info.n_heads)
    rows = _repeated(subject, len(heads))
    projections = backend.structure.head_projections
    with torch.no_grad(), entering(projections) as seen:
        plain = written_by_attention(subject, subject.longest)
    pairs = []
    for layer in layers:
        written = written_by_heads(subject, layer, seen[layer][0])[0].transpose(0, 1)  # [H, T, d]
        with backend.interventions([Edit("head_output", layer, "zero", head=heads)]):
            found = written_by_attention(subject, rows)[layer]
        # without the projection's bias, which no head writes
        pairs.append((plain[layer] - found, written))
    where = f"layer {layers[0]}" if len(layers) == 1 else f"each of {len(layers)} layers"
    update = attention_update(subject)
    what = f"to zero a head takes its write, and nothing else, from the {update} ({where}, every head)"
    return subject.judged("zeroed head", pairs, what)


def zeroed_patterns(subject: Subject) -> ModelCheck:
    """A head without its attention pattern is a head without its output: the two points count heads alike."""
    require(subject, Needs(heads=True, pattern=True))
    backend, heads = subject.backend, torch.arange(subject.backend.info.n_heads)
    layers = backend.capabilities.attention_layers or range(backend.info.n_layers)
    layer, rows = layers[len(layers) // 2], _repeated(subject, len(heads))
    found = []
    for point in ("attention_pattern", "head_output"):
        with backend.interventions([Edit(point, layer, "zero", head=heads)]):
            found.append(backend.forward(rows, Capture(last_logits_only=True)).logits)
    what = f"to zero a head's attention pattern is to zero its output (layer {layer}, every head)"
    return subject.judged("zeroed pattern", [(found[0], found[1])], what)


def _middle(subject: Subject) -> int:
    return subject.backend.info.n_layers // 2


def _repeated(subject: Subject, count: int) -> TokenBatch:
    one = subject.longest
    return TokenBatch(
        one.texts * count,
        one.input_ids.expand(count, -1),
        one.attention_mask.expand(count, -1),
        one.lengths.expand(count),
    )
