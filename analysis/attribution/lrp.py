"""Layer-wise relevance propagation: the logit of a target, shared out over tokens, layer by layer, without a rest.

Relevance of the tokens + leak of the softmaxes + position embeddings + biases = the explained logit. Each of the four
is measured on its own, so that what is missing in the sum is a real error; it is stored as the conservation error.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.frozen_norm import frozen_norm, is_norm, unknown_norm
from headscope.analysis.attribution.logit_reading import explaining_logit, target_direction, why_no_reading
from headscope.analysis.attribution.lrp_rules import RULES, relevance_rules
from headscope.analysis.attribution.results import position_attribution
from headscope.analysis.backends.made_up import made_up_batch
from headscope.analysis.backends.module_inputs import entering
from headscope.analysis.backends.once import once_per_model
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.types import Attribution, Float32, Target
from headscope.analysis.types.outcome import Outcome
from headscope.analysis.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Relevance:
    """Where the explained logit of every row comes from.

    tokens `[B, T]`; layers `[L + 1, B, T]`, of the residual stream that each layer reads, the last what the final norm
    reads; leak, position, bias `[B]`; logits `[B]`, what is explained. delta `[B]`: the four parts' sum - logits.
    heads: for every attention that ran, `[B, H]`, the relevance that passes through each head's output.
    """

    tokens: Tensor
    layers: Tensor
    leak: Tensor
    position: Tensor
    bias: Tensor
    logits: Tensor
    heads: tuple[Tensor, ...]

    @property
    def delta(self) -> Tensor:
        """Conservation error `[B]`, in the unit of the logit."""
        return self.tokens.sum(1) + self.leak + self.position + self.bias - self.logits


def relevance(
    backend: WhiteBoxBackend, embeddings: Tensor, positions: Tensor, targets: Sequence[Target], rule: str
) -> Relevance:
    """One forward and one backward pass under `rule`; embeddings `[B, T, d]`, explained after `positions` `[B]`."""
    start = embeddings.detach().requires_grad_()
    rows = torch.arange(len(start))
    direction, offset = target_direction(backend, targets)
    with relevance_rules(backend, rule, len(start)) as ledger, torch.enable_grad():
        with entering([*backend.structure.layers, *backend.structure.tail]) as seen:
            backend.structure.base(inputs_embeds=start, use_cache=False)
        streams = [hidden for hidden, _, _ in seen]
        # only the explained rows go on: unembedding the others would cost more than a layer
        (norm,) = backend.structure.tail
        logits = (norm(streams[-1][rows, positions]) * direction).sum(-1).float() + offset
        gradients = torch.autograd.grad(logits.sum(), [start, *streams])
    parts = [(g * x).detach().float() for g, x in zip(gradients, [start, *streams], strict=True)]
    shares = [part.sum(-1) for part in parts]
    return Relevance(
        tokens=shares[0],
        layers=torch.stack(shares[1:]),
        leak=ledger.leak,
        position=(parts[1] - parts[0]).flatten(1).sum(1),
        bias=ledger.bias + offset,
        logits=logits.detach(),
        heads=tuple(ledger.heads),
    )


def lrp_attributions(work: Workspace, targets: Sequence[Target], method: str) -> list[Attribution]:
    """One Attribution per prompt, scores `[position]`, signed, `layer_scores [L + 1, position]` and `head_scores
    [layer, head]`; method names the rule.

    Explained is the logit, of target minus foil if there is one. `convergence_delta` is the conservation error.
    """
    started = time.perf_counter()
    end = int(work.positions.max()) + 1  # what comes later cannot matter to a causal model
    found = relevance(work.backend, work.embeddings[:, :end], work.positions, targets, method)
    seconds = (time.perf_counter() - started) / len(targets)
    return [_attribution(work, found, i, target, method, seconds) for i, target in enumerate(targets)]


def _attribution(
    work: Workspace, found: Relevance, index: int, target: Target, method: str, seconds: float
) -> Attribution:
    stop = int(work.positions[index]) + 1
    n_tokens = len(work.texts[index])
    parts = {"softmax leak": found.leak, "position embeddings": found.position, "biases": found.bias}
    return position_attribution(
        method,
        explaining_logit(target),
        _padded(found.tokens[index, :stop], n_tokens),
        slice(0, stop),
        signed=True,
        value=float(found.logits[index]),
        seconds=seconds,
        params={},
        convergence_delta=float(found.delta[index]),
        layer_scores=_padded(found.layers[:, index, :stop], n_tokens),
        head_scores=torch.stack([layer[index] for layer in found.heads]).cpu().numpy(),
        outcome=Outcome(terms={name: float(part[index]) for name, part in parts.items()}),
    )


def _padded(scores: Tensor, n_tokens: int) -> Float32:
    padded = np.full((*scores.shape[:-1], n_tokens), np.nan, dtype=np.float32)
    padded[..., : scores.shape[-1]] = scores.cpu().numpy()
    return padded


def why_no_lrp(backend: WhiteBoxBackend, rule: str) -> str | None:
    """Why the rules do not fit this model, or None; found by using them on a few made-up tokens."""
    return _reasons(backend)[rule]


@once_per_model
def _reasons(backend: WhiteBoxBackend) -> dict[str, str | None]:
    return {rule: _reason(backend, rule) for rule in RULES}


def _reason(backend: WhiteBoxBackend, rule: str) -> str | None:
    if (reason := why_no_reading(backend) or _part_without_rule(backend)) is not None:
        return reason
    name = backend.info.architecture
    batch = made_up_batch(backend, 6)
    embeddings = backend.embed(batch)
    logits = backend.forward(batch, Capture(), embeddings=embeddings).logits[0, -1].float()
    target = Target(int(logits.argmax()), "", 1, "predicted", 0.0, 1)
    try:
        found = relevance(backend, embeddings, batch.lengths - 1, [target], rule)
    except Exception as error:  # whatever an unknown architecture raises here, the rules do not fit it
        return f"the rules of relevance propagation cannot be put on {name}: {error}"
    if len(found.heads) != backend.info.n_layers:
        return f"{name} does not let its attention be replaced, so it cannot be given a rule of relevance propagation"
    return _misfit(backend, found, logits)


def _part_without_rule(backend: WhiteBoxBackend) -> str | None:
    """What can be named before anything is tried."""
    name, config = backend.info.architecture, cast("Any", backend.model.config)
    for module in backend.structure.base.modules():
        if is_norm(module) and frozen_norm(module) is None:
            return unknown_norm(module, f"a norm inside {name}")
    if cap := getattr(config, "attn_logit_softcapping", None):
        return f"the attention scores of {name} are capped at {cap:g}, which has no rule of relevance propagation here"
    return None


def _misfit(backend: WhiteBoxBackend, found: Relevance, logits: Tensor) -> str | None:
    """Whether the model computes what it does without the rules, and relevance adds up."""
    name = backend.info.architecture
    tolerance = 1e-3 if backend.info.ref.dtype == "float32" else 5e-2
    if abs(float(found.logits[0] - logits.max())) > tolerance * max(1.0, float(logits.abs().max())):
        return f"with the rules of relevance propagation {name} computes other logits, so they do not fit it"
    size = float(found.tokens.abs().sum() + found.leak.abs() + found.bias.abs() + found.logits.abs())
    if not abs(float(found.delta[0])) <= tolerance * size:
        return (
            f"relevance is not conserved in {name} (a logit of {float(found.logits[0]):.3g} is shared out with an "
            f"error of {float(found.delta[0]):+.2g}): it has a part for which there is no rule"
        )
    return None
