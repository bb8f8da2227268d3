"""A prompt as it is and with interventions, side by side in one batched pass: row 0 is left alone, row 1 is changed,
row 2, where there is one, is the prompt that patches take from. Nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from headscope.analysis.attribution.patching import NOTHING_ALIKE, counterparts
from headscope.analysis.backends.needs import unmet
from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.interventions import Edit, Point
from headscope.analysis.methods.direct_logit_attribution import DirectLogitAttribution
from headscope.analysis.registry import METHODS
from headscope.analysis.types import Attribution, Target, TokenizedText
from headscope.analysis.types.interventions import (
    Candidate,
    Intervention,
    InterventionRequest,
    InterventionResult,
    Reading,
)
from headscope.analysis.types.live import MOST_LIVE_TOKENS
from headscope.analysis.workspace import Workspace, quantities

N_CANDIDATES = 10
AS_IS, CHANGED, SOURCE = range(3)
_POINTS: dict[str, tuple[Point, ...]] = {
    "head": ("head_output",),
    "attention": ("attention_output",),
    "mlp": ("mlp_output",),
    "layer": ("attention_output", "mlp_output"),
    "residual": ("residual",),
}
Places = Sequence[tuple[int, int]]
"""(position in source, position in text) of activations that belong together."""


def analyse_interventions(backend: WhiteBoxBackend, request: InterventionRequest) -> InterventionResult:
    """What follows `request.text` before and after its interventions, made in their order: a later one changes what an
    earlier one has left. `scale` scales that too; `mean` and `patch` put in what no intervention has touched.

    Raises InputError (kinds `empty`, `too_long`, `intervention`, `target_missing`, `target_equals_foil`), NotApplicable
    for a part this model does not have, BackendError when it computes NaN: its sentence says whether the interventions
    are why.
    """
    started = time.perf_counter()
    text = _tokens(backend, request.text, "prompt")
    source = None if request.source is None else _tokens(backend, request.source, "other prompt")
    places = () if source is None else tuple(counterparts(source, text))
    batch = backend.batch([text, text] if source is None else [text, text, source])
    edits = [edit for one in request.interventions for edit in _edits(backend, one, len(text), places)]
    with torch.no_grad(), backend.interventions(edits):
        logits = backend.forward(batch, Capture(last_logits_only=True)).logits[:2, -1].float()
    logprobs = torch.log_softmax(logits, dim=-1)
    target = backend.resolve_target(text, request.target, request.foil, logprobs[AS_IS])
    before, after = _readings(logits, logprobs, target)
    parts, no_parts = _parts(backend, text, target) if request.parts else (None, "")
    return InterventionResult(
        request=request,
        info=backend.info,
        text=text,
        source=source,
        target=target,
        before=before,
        after=after,
        candidates=_candidates(backend, logprobs.exp()),
        kl=divergence(logprobs[AS_IS], logprobs[CHANGED]),
        aligned=places,
        parts=parts,
        no_parts=no_parts,
        seconds=time.perf_counter() - started,
    )


def _tokens(backend: WhiteBoxBackend, typed: str, role: str) -> TokenizedText:
    text = backend.tokenize(typed)
    if len(text) > MOST_LIVE_TOKENS:
        raise InputError(
            f"the {role} has {len(text):,} tokens, and live interventions take {MOST_LIVE_TOKENS}: shorten it.",
            "too_long",
        )
    return text


def _edits(backend: WhiteBoxBackend, one: Intervention, length: int, places: Places) -> Iterator[Edit]:
    """Raises what `check_place` does, and for a patch without a counterpart."""
    check_place(backend, one, length)
    made = _change(one, length, places)
    for point in points_of(one):
        yield Edit(point, one.layer, made, head=one.head)


def points_of(one: Intervention) -> tuple[Point, ...]:
    """Where in its layer the activations lie that an intervention changes."""
    return _POINTS[one.part]


def check_place(backend: WhiteBoxBackend, one: Intervention, length: int) -> None:
    """Raises InputError, kind `intervention`, for a layer, head or position that model or prompt do not have."""
    info = backend.info
    last = info.n_layers - (one.part != "residual")
    limits = (("layer", one.layer, last), ("head", one.head, info.n_heads - 1), ("position", one.position, length - 1))
    for name, value, most in limits:
        if value is not None and not 0 <= value <= most:
            raise InputError(
                f"there is no {name} {value} for {one.code}: they go from 0 to {most} "
                f"{'in this prompt' if name == 'position' else f'in {info.ref.name}'}.",
                "intervention",
            )


def _change(one: Intervention, length: int, places: Places) -> Callable[[Tensor], Tensor]:
    """What becomes of the activation `[row, position, ...]`: the row to change at the positions to change."""
    chosen = range(length) if one.position is None else (one.position,)
    pairs = [(theirs, mine) for theirs, mine in places if mine in chosen] if one.change == "patch" else []
    if one.change == "patch" and not pairs:
        where = f"position {one.position} of the prompt has no counterpart in the other one: choose another position"
        raise InputError(f"{NOTHING_ALIKE if one.position is None else where} ({one.code}).", "intervention")
    at = torch.tensor([mine for _, mine in pairs] or list(chosen))
    theirs = torch.tensor([place for place, _ in pairs])

    def change(activation: Tensor) -> Tensor:
        found, here = activation.clone(), at.to(activation.device)
        if one.change == "zero":
            found[CHANGED, here] = 0
        elif one.change == "mean":
            found[CHANGED, here] = activation[AS_IS, :length].mean(0)
        elif one.change == "scale":
            found[CHANGED, here] = activation[CHANGED, here] * one.factor
        else:
            found[CHANGED, here] = activation[SOURCE, theirs.to(activation.device)]
        return found

    return change


def _readings(logits: Tensor, logprobs: Tensor, target: Target) -> tuple[Reading, Reading]:
    values = quantities(logits, [target] * 2).tolist()

    def standing(row: int, token: int) -> tuple[float, int]:
        if token < 0:
            return float("nan"), -1
        logprob = logprobs[row, token]
        return float(logprob), int((logprobs[row] > logprob).sum()) + 1

    found = [Reading(values[row], *standing(row, target.token_id), *standing(row, target.foil_id)) for row in range(2)]
    return found[AS_IS], found[CHANGED]


def divergence(before: Tensor, after: Tensor) -> float:
    """KL(before || after) in nats from log-probabilities `[V]`. A token without probability before adds nothing; one
    that has none after only makes it infinite."""
    terms = before.exp() * (before - after)
    return max(0.0, float(torch.where(before.exp() > 0, terms, 0.0).sum()))


def _candidates(backend: WhiteBoxBackend, probabilities: Tensor) -> tuple[Candidate, ...]:
    found = probabilities.topk(min(N_CANDIDATES, probabilities.shape[1])).indices
    top = torch.tensor(sorted({*found.flatten().tolist()}), device=found.device)
    top = top[probabilities[:, top].amax(0).argsort(descending=True, stable=True)]
    texts = backend.decode(top.tolist())
    return tuple(Candidate(*row) for row in zip(texts, *probabilities[:, top].tolist(), strict=True))


def _parts(backend: WhiteBoxBackend, text: TokenizedText, target: Target) -> tuple[Attribution | None, str]:
    """Direct logit attribution of the prompt as it is, or why there is none."""
    method = DirectLogitAttribution()
    if reason := unmet(METHODS[method.NAME].needs, backend) or method.not_applicable(backend):
        return None, reason
    found = method.attribute(Workspace(backend, [text], Capture()), [target], {})[0]
    return (found, "") if found.error is None else (None, found.error)
