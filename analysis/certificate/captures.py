"""What a pass shows of the inside: parts that must add up, attention that must be attention."""

from __future__ import annotations

import torch
from torch import Tensor

from headscope.analysis.attribution.frozen_norm import is_norm
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.backends.needs import unmet
from headscope.analysis.backends.watching import watching
from headscope.analysis.certificate.judging import Subject, by_error
from headscope.analysis.errors import NotApplicable
from headscope.analysis.interfaces import Capture, TokenBatch
from headscope.analysis.registry import Needs
from headscope.analysis.types.certificate import ModelCheck


def residual_sum(subject: Subject) -> ModelCheck:
    """Every layer's stream is what it read and the two updates; the last one, unembedded, gives the logits."""
    require(subject, Needs(sublayers=True))
    backend = subject.backend
    with entering(backend.structure.layers) as seen:
        found = backend.forward(subject.longest, Capture(residuals=True))
    starts = [hidden for hidden, _, _ in seen]
    pairs = [
        (start + attention + mlp, end)
        for start, attention, mlp, end in zip(
            starts, found.attn_updates, found.mlp_updates, found.residuals, strict=True
        )
    ]
    pairs += list(zip(starts[1:], found.residuals[:-1], strict=True))
    pairs.append((backend.unembed(found.residuals[-1]), found.logits))
    what = f"in each of {len(starts)} layers the residual stream is what the layer read + its two updates"
    return subject.judged("residual sum", pairs, f"{what}, and the last stream gives the logits")


def head_sum(subject: Subject) -> ModelCheck:
    """The heads' outputs through their weights, and the projection's bias, are what attention writes."""
    require(subject, Needs(heads=True, sublayers=True))
    with entering(subject.backend.structure.head_projections) as seen:
        updates = written_by_attention(subject, subject.longest)
    pairs = [
        (written_by_heads(subject, layer, mixed).sum(-2) + _bias(subject, layer), updates[layer])
        for layer, (mixed, _, _) in enumerate(seen)
    ]
    what = f"the writes of all heads of a layer add up to its {attention_update(subject)}"
    return subject.judged("head sum", pairs, what)


def written_by_attention(subject: Subject, batch: TokenBatch) -> list[Tensor]:
    """What each layer's attention adds to the residual stream, `[B, T, d]`; where a norm comes between (Gemma 2 and 3,
    OLMo 2), what goes into the norm: heads add up there, and not behind it."""
    backend = subject.backend
    projections = backend.structure.head_projections
    with watching(projections) as written:
        updates = backend.forward(batch, Capture(residuals=True)).attn_updates
    return [
        one if one is not None and is_norm(module) else update
        for one, update, module in zip(written, updates, backend.structure.attn_updates, strict=True)
    ]


def attention_update(subject: Subject) -> str:
    """What `written_by_attention` gives, in words."""
    normed = any(map(is_norm, subject.backend.structure.attn_updates))
    return "attention output, which is normed before it is added" if normed else "attention update"


def written_by_heads(subject: Subject, layer: int, mixed: Tensor) -> Tensor:
    """What each head writes, `[B, T, H, d]`, from what enters the projection, `[B, T, H * d_head]`."""
    weights = subject.backend.head_weights(layer)
    return torch.einsum("bthe,hed->bthd", mixed.view(*mixed.shape[:-1], *weights.shape[:2]), weights)


def _bias(subject: Subject, layer: int) -> Tensor | float:
    bias = getattr(subject.backend.structure.head_projections[layer], "bias", None)
    return bias if isinstance(bias, Tensor) else 0.0


def attention_rows(subject: Subject) -> ModelCheck:
    """Weights of a query are not negative, sum to 1 (less where a learned sink takes a share), none on a later key."""
    worst = 0.0
    sinks = any("sinks" in note for note in subject.backend.capabilities.notes)
    for layer in _patterns(subject):
        total = layer.float().sum(-1)
        off = (total - 1).clamp_min(0) if sinks else (total - 1).abs()
        worst = max(worst, float(off.max()), float(layer.triu(1).abs().max()), float((-layer).max()))
    which = "at most 1, as learned sinks take a share" if sinks else "1"
    what = f"attention weights of every query sum to {which}, with none below 0 or on a later token"
    return by_error("attention rows", worst, subject.tolerance, what)


def attention_weights(subject: Subject) -> ModelCheck:
    """Captured patterns, head by head, are those that transformers returns."""
    mine, plain = _patterns(subject), subject.plain("eager")
    theirs = plain.attentions(subject.longest.input_ids[0])
    if not theirs:
        raise NotApplicable(f"transformers returns no attention weights of {subject.name}")
    if len(mine) != len(theirs):
        raise ValueError(f"attention of {len(mine)} layers is captured and transformers returns {len(theirs)}")
    pairs = [(one[0], other) for one, other in zip(mine, theirs, strict=True)]
    return subject.judged("attention weights", pairs, "captured attention weights are transformers' own, head by head")


def _patterns(subject: Subject) -> list[Tensor]:
    require(subject, Needs(pattern=True))
    layers = subject.backend.capabilities.attention_layers or range(subject.backend.info.n_layers)
    return [subject.captured.attentions[layer].detach() for layer in layers]


def require(subject: Subject, needs: Needs) -> None:
    """Raises NotApplicable with the model's reason."""
    if reason := unmet(needs, subject.backend):
        raise NotApplicable(reason)
