"""RelP (Rezaei Jafari et al. 2025): patching of every head and MLP, estimated with relevance instead of gradients."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from headscope.analysis.attribution.logit_reading import explaining_logit, why_no_reading
from headscope.analysis.attribution.lrp import why_no_lrp
from headscope.analysis.attribution.patching import NOTHING_ALIKE, PatchedPair, counterparts
from headscope.analysis.attribution.relp import LRP, estimated
from headscope.analysis.attribution.results import attribution, failed_attribution
from headscope.analysis.backends.suffix import why_no_suffix
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Float32, Params, Target, TokenizedText
from headscope.analysis.types.outcome import PARTNER, Outcome
from headscope.analysis.workspace import Workspace


class RelP(Method):
    """(partner's activation - own activation) . coefficient of every head and MLP, summed over positions: an estimate
    of value(prompt with the partner's activation put in) - value(prompt); scores `[layer, component]`, signed:
    components 0 to H - 1 are the heads, the last is the MLP.

    Coefficients are those of the own prompt under the rules of relevance propagation (`rules=lrp`), or gradients
    (`gradient`: attribution patching, Nanda 2023). Negative: what the component does for this prompt, and not for the
    partner, helps the explained quantity. With `measure` every component is patched too, and the outcome says how the
    estimates correlate with that. A logprob without a foil is answered with the logit.
    """

    NAME: ClassVar[str] = "relp"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose heads can be told apart and whose logit is a plain reading of the last norm."""
        return why_no_reading(backend)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt: two forward passes and one backward pass, and what the measurement takes."""
        settings = resolve_params(self.NAME, params)
        reason = why_no_lrp(work.backend, "cp_lrp") if settings["rules"] == "lrp" else None
        return [
            self._one(work, index, explaining_logit(target), settings, reason) for index, target in enumerate(targets)
        ]

    def _one(
        self, work: Workspace, index: int, target: Target, settings: dict[str, Any], reason: str | None
    ) -> Attribution:
        started = time.perf_counter()
        own, partner = work.texts[index], work.partner(index)
        places = [] if isinstance(partner, str) else counterparts(partner, own)
        if isinstance(partner, str) or not places or reason is not None:
            why = reason or (partner if isinstance(partner, str) else NOTHING_ALIKE)
            seconds = time.perf_counter() - started
            return failed_attribution(self.NAME, target, why, signed=True, seconds=seconds, params=settings)
        rule = LRP if settings["rules"] == "lrp" else None
        scores, value = estimated(work.backend, own, partner, places, target, rule)
        facts: dict[str, str | int | float | bool] = {PARTNER: partner.text}
        if settings["measure"]:
            facts |= _measured(work.backend, own, partner, places, target, scores)
        if len(places) < len(own):
            facts["tokens without a counterpart, left as they are"] = len(own) - len(places)
        return attribution(
            self.NAME,
            target,
            scores,
            ("layer", "component"),
            signed=True,
            value=value,
            seconds=time.perf_counter() - started,
            params=settings,
            outcome=Outcome(facts=facts),
        )


def _measured(
    backend: WhiteBoxBackend,
    own: TokenizedText,
    partner: TokenizedText,
    places: Sequence[tuple[int, int]],
    target: Target,
    scores: Float32,
) -> dict[str, str | int | float | bool]:
    """How the estimates `[layer, component]` correlate with real patching, over heads and over MLPs."""
    if (reason := why_no_suffix(backend)) is not None:
        return {"not compared with patching": reason}
    with torch.no_grad():
        pair = PatchedPair(backend, partner, own, places)
        effects = pair.components(target) - float(pair.values(target)[1])
    correlations = {
        "correlation with patching, heads": pearson(scores[:, :-1], effects[:, :-1]),
        "correlation with patching, MLPs": pearson(scores[:, -1], effects[:, -1]),
    }
    return {
        label: "not defined: all are alike" if found is None else round(found, 4)
        for label, found in correlations.items()
    }


def pearson(one: Float32, other: Float32) -> float | None:
    """Pearson's correlation over all entries; None where one side is constant or there are fewer than three."""
    a, b = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0 else None
