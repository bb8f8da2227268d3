"""Interventions of a request whose results are stored: which a run can have, and the edits that make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from headscope.analysis.errors import InputError
from headscope.analysis.interfaces import Capture, WhiteBoxBackend
from headscope.analysis.interventions import Change, Edit, Put
from headscope.analysis.registry import MEASUREMENTS
from headscope.analysis.running.intervening import check_place, points_of
from headscope.analysis.types import RunSpec, TokenizedText
from headscope.analysis.types.interventions import Intervention, of_a_run


def check_interventions(spec: RunSpec) -> None:
    """Raises InputError for a code that is none, a patch, and analyses that change the model themselves."""
    if not spec.interventions:
        return
    of_a_run(spec.interventions)
    measured = [name for name, entry in MEASUREMENTS.items() if not entry.always]
    if others := [name for name in spec.analyses if name not in MEASUREMENTS]:
        raise InputError(
            f"with interventions a run has measurements only ({', '.join(measured)}): leave out {', '.join(others)}.",
            "intervention",
        )


@contextmanager
def changed(backend: WhiteBoxBackend, codes: Sequence[str], text: TokenizedText) -> Iterator[None]:
    """Inside the block every pass over this one prompt is made with these interventions.

    Raises InputError (kind `intervention`) for a layer, head or position that is not there, NotApplicable for a part
    that this model does not have.
    """
    made = [Intervention.parse(code) for code in codes]
    for one in made:
        check_place(backend, one, len(text))
    with backend.interventions([edit for one in made for edit in _edits(backend, one, text)]):
        yield


def _edits(backend: WhiteBoxBackend, one: Intervention, text: TokenizedText) -> Iterator[Edit]:
    positions = None if one.position is None else [one.position]
    for point in points_of(one):
        change: Change = "zero"
        if one.change == "scale":
            change = _scaled(one.factor)
        elif one.change == "mean":
            change = Put(_mean(backend, Edit(point, one.layer, "zero", one.head), text))
        yield Edit(point, one.layer, change, one.head, positions)


def _scaled(factor: float) -> Change:
    return lambda activation: activation * factor


@torch.no_grad()
def _mean(backend: WhiteBoxBackend, place: Edit, text: TokenizedText) -> Tensor:
    """Mean over the positions of the prompt as it is, `[width]`."""
    seen: list[Tensor] = []

    def look(activation: Tensor) -> Tensor:
        seen.append(activation)
        return activation

    with backend.interventions([Edit(place.point, place.layer, look, place.head)]):
        backend.forward(backend.batch([text]), Capture(last_logits_only=True))
    return seen[-1][0].mean(0)
