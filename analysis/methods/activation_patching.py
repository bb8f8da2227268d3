"""Activation patching (Vig et al. 2020; Meng et al. 2022): where the difference of two prompts lives in the model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from headscope.analysis.attribution.patching import MAX_TOKENS, NOTHING_ALIKE, ROUNDING, PatchedPair, counterparts
from headscope.analysis.attribution.results import attribution, failed_attribution
from headscope.analysis.backends.needs import unmet
from headscope.analysis.backends.suffix import why_no_suffix
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import Needs
from headscope.analysis.types import Attribution, Float32, Params, Target, TokenizedText
from headscope.analysis.types.outcome import PARTNER, Outcome
from headscope.analysis.workspace import Workspace


class ActivationPatching(Method):
    """(patched - base) / (source - base): the share of the difference between two prompts that one activation of the
    source, put into the run of the base, carries over; scores `[layer, position]`, of heads `[layer, head]`, signed.

    The run's own prompt is the clean one, its counterfactual partner the corrupted one. `restore`: clean into corrupted
    (denoising; 1 restores the clean value: the activation suffices). `break`: corrupted into clean (noising; 1 breaks
    all of it: the activation is needed). Row l of `residual` is what layer l reads. A head is put in at all positions.
    Positions are the own prompt's; one without a counterpart in the partner is NaN.
    """

    NAME: ClassVar[str] = "activation_patching"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose layers run on their own."""
        return why_no_suffix(backend)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; the cells of a layer share passes, which run the later layers only."""
        settings = resolve_params(self.NAME, params)
        return [self._one(work, index, target, settings) for index, target in enumerate(targets)]

    def _one(self, work: Workspace, index: int, target: Target, settings: dict[str, Any]) -> Attribution:
        started = time.perf_counter()
        partner = work.partner(index)
        if isinstance(partner, str):
            return failed_attribution(self.NAME, target, partner, signed=True, seconds=0.0, params=settings)
        found = _patched(work, index, partner, target, settings)
        seconds = time.perf_counter() - started
        if isinstance(found, str):
            return failed_attribution(self.NAME, target, found, signed=True, seconds=seconds, params=settings)
        return attribution(
            self.NAME,
            target,
            found.scores,
            ("layer", "head" if settings["component"] == "head" else "position"),
            signed=True,
            measured=found.measured,
            value=found.clean,
            seconds=seconds,
            params=settings,
            outcome=Outcome(
                not_explained=found.not_explained,
                facts={PARTNER: found.partner, "value after it": found.corrupted},
            ),
        )


@dataclass(frozen=True, slots=True)
class _Found:
    partner: str
    scores: Float32
    measured: NDArray[np.bool_]
    clean: float
    corrupted: float
    not_explained: str


def _patched(
    work: Workspace, index: int, partner: TokenizedText, target: Target, settings: dict[str, Any]
) -> _Found | str:
    """What patching gives, or why it gives nothing."""
    backend, own, component = work.backend, work.texts[index], settings["component"]
    whole = component == "head"
    if reason := unmet(Needs(heads=whole, sublayers=component in ("attention", "mlp")), backend):
        return f"{reason}: patch the residual stream instead (component=residual)"
    if not whole and len(own) > MAX_TOKENS:
        return (
            f"the prompt has {len(own)} tokens, and a map takes {MAX_TOKENS}, because it runs the model once for every "
            "layer and position: shorten it, or patch heads (component=head)"
        )
    places = counterparts(own, partner)
    if not places:
        return NOTHING_ALIKE
    restoring = settings["direction"] == "restore"
    texts = (own, partner) if restoring else (partner, own)
    with torch.no_grad():
        pair = PatchedPair(backend, *texts, places if restoring else [(b, a) for a, b in places])
        source, base = pair.values(target).tolist()
        if abs(source - base) <= ROUNDING:
            return "the two prompts do not differ in what is explained, so there is no difference to find a place for"
        values = pair.components(target, mlps=False) if whole else pair.grid(component, target)
    shares = (values - base) / (source - base)
    positions = [place for place, _ in places]
    measured = np.ones(shares.shape[1], dtype=np.bool_) if whole else np.isin(np.arange(len(own)), positions)
    if not whole:
        scores = np.full((len(shares), len(own)), np.nan, dtype=np.float32)
        scores[:, positions] = shares
        shares = scores
    clean, corrupted = (source, base) if restoring else (base, source)
    said = "" if len(places) == len(own) else _unaligned(own, places)
    return _Found(partner.text, shares.astype(np.float32), measured, clean, corrupted, said)


def _unaligned(own: TokenizedText, places: Sequence[tuple[int, int]]) -> str:
    left = sorted(set(range(len(own))) - {place for place, _ in places})
    return (
        f"{len(left)} of {len(own)} tokens have no counterpart in the other prompt of the pair, which has "
        "words of another number of tokens there"
    )
