"""What the Why page computes as rows of plain values, for files and notebooks; unmeasured is NaN or None."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from headscope.analysis.types.interventions import InterventionResult
from headscope.analysis.types.patching import PatchResult

Row = dict[str, Any]


def of_map(result: PatchResult) -> Iterator[Row]:
    """A row a cell of the map, layer by layer."""
    asked, differs = result.request, result.clean.ids != result.corrupted.ids
    for layer, position in np.ndindex(result.patched.shape):
        yield {
            "model": result.info.ref.name, "component": asked.component,
            "target": result.target.text, "foil": result.target.foil_text,
            "layer": layer, "position": position,
            "clean_token": result.clean.texts[position], "corrupted_token": result.corrupted.texts[position],
            "differs": bool(differs[position]),
            "recovery": float(result.recovery[layer, position]),
            "patched_nats": float(result.patched[layer, position]),
            "clean_nats": result.clean_value, "corrupted_nats": result.corrupted_value,
        }  # fmt: skip


def of_candidates(result: InterventionResult) -> Iterator[Row]:
    """A row for every candidate; what the two sides say in all is the same in each."""
    target, before, after = result.target, result.before, result.after
    has_foil = target.foil_text is not None
    said = {
        "margin_before": before.value if has_foil else None, "margin_after": after.value if has_foil else None,
        "target_logprob_before": before.logprob, "target_logprob_after": after.logprob,
        "target_rank_before": before.rank, "target_rank_after": after.rank,
        "kl": result.kl,
    }  # fmt: skip
    codes = ",".join(one.code for one in result.request.interventions)
    for one in result.candidates:
        yield {
            "model": result.info.ref.name, "prompt": result.text.text, "interventions": codes,
            "target": target.text, "foil": target.foil_text, "token": one.text,
            "probability_before": one.before, "probability_after": one.after, **said,
        }  # fmt: skip


def of_parts(result: InterventionResult) -> Iterator[Row]:
    """A row for every head and MLP, and for what else adds up to `total`; none where the model has no such parts."""
    if result.parts is None:
        return
    scores, total = result.parts.scores, result.parts.value
    shared = {"model": result.info.ref.name, "prompt": result.text.text,
              "target": result.target.text, "foil": result.target.foil_text}  # fmt: skip
    heads = scores.shape[1] - 1
    for layer, part in np.ndindex(scores.shape):
        at = {"component": "head" if part < heads else "mlp", "layer": layer, "head": part if part < heads else None}
        yield {**shared, **at, "value": float(scores[layer, part]), "total": total}
    for name, value in result.parts.outcome.terms.items():
        yield {**shared, "component": name, "layer": None, "head": None, "value": float(value), "total": total}
