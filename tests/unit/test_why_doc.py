"""The example of docs/why.md, on the embedded model: its numbers are what the page computes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from headscope.analysis.running.intervening import analyse_interventions
from headscope.analysis.types.interventions import Intervention, InterventionRequest, InterventionResult

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

DOC = (Path(__file__).parents[2] / "docs" / "why.md").read_text(encoding="utf-8")
TEXT, OTHER = (f"After the meeting the {who} explained that" for who in ("nurse", "mechanic"))


def changed(backend: HFCausalBackend, *codes: str, parts: bool = False) -> InterventionResult:
    made = tuple(map(Intervention.parse, codes))
    request = InterventionRequest(backend.info.ref.name, TEXT, " she", " he", OTHER, made, parts=parts)
    return analyse_interventions(backend, request)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (("head:26.2:patch",), "0.11"),
        (("head:26.2:patch", "head:25.2:patch", "head:27.5:patch"), "-0.45"),
        (("mlp:28:patch",), "2.89"),
    ],
)
def test_what_each_part_taken_from_the_other_prompt_leaves(
    smollm2: HFCausalBackend, codes: tuple[str, ...], said: str
) -> None:
    found = changed(smollm2, *codes)
    assert found.before.value == pytest.approx(2.93, abs=0.006)
    assert found.after.value == pytest.approx(float(said), abs=0.006)
    assert said in DOC


def test_the_longest_bar_of_the_heads(smollm2: HFCausalBackend) -> None:
    parts = changed(smollm2, parts=True).parts
    assert parts is not None
    heads = np.abs(parts.scores[:, : smollm2.info.n_heads])
    order = np.argsort(-heads.ravel())[:3]
    longest, *next_two = [divmod(int(place), smollm2.info.n_heads) for place in order]
    assert longest == (26, 2)
    assert set(next_two) == {(25, 2), (27, 5)}
    assert heads[26, 2] == pytest.approx(2.49, abs=0.006)
    assert "2.49 of the 2.93 nats" in DOC
