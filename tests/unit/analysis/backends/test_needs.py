"""What an analysis needs against what a model shows: one place says no, in one sentence."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headscope.analysis.backends.needs import unmet
from headscope.analysis.interfaces import Capabilities
from headscope.analysis.registry import METHODS, Needs

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

ROOT = Path(__file__).parents[4]
SEEN = {"attention", "sublayers", "heads", "no_attention", "attention_layers"}
OF_THE_BACKENDS = {"backends/needs.py", "backends/hf_causal.py", "backends/intervening.py"}
"""Where a model is opened: which layers have attention is a fact there, not a need."""


@pytest.mark.parametrize(
    ("needs", "says"),
    [
        (Needs(attention=True), "no weights here"),
        (Needs(pattern=True), "no weights here"),
        (Needs(heads=True), "single heads cannot be told apart in GPT2LMHeadModel"),
        (Needs(sublayers=True), "updates of GPT2LMHeadModel cannot be told apart"),
        (Needs(gradients=True, many_passes=True), None),
    ],
)
def test_a_blind_model_is_told_so(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch, needs: Needs, says: str | None
) -> None:
    assert unmet(needs, tiny_gpt2) is None
    blind = Capabilities(attention=False, sublayers=False, heads=False, no_attention="no weights here")
    monkeypatch.setattr(tiny_gpt2, "capabilities", blind)
    found = unmet(needs, tiny_gpt2)
    assert (found is None) == (says is None)
    assert says is None or says in str(found)


def test_some_layers_attention_is_enough_for_a_pattern(
    tiny_gpt2: HFCausalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = Capabilities(attention=False, sublayers=True, heads=True, attention_layers=(1,), no_attention="not all")
    monkeypatch.setattr(tiny_gpt2, "capabilities", some)
    assert unmet(Needs(pattern=True), tiny_gpt2) is None
    assert unmet(Needs(attention=True), tiny_gpt2) == "not all"


def test_nobody_else_asks_a_models_capabilities() -> None:
    asked = {}
    for path in sorted((ROOT / "analysis").rglob("*.py")):
        place = str(path.relative_to(ROOT / "analysis"))
        names = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and node.attr in SEEN
            and isinstance(node.value, ast.Attribute | ast.Name)
            and "capabilities" in ast.unparse(node.value)
        }
        if names and place not in OF_THE_BACKENDS:
            asked[place] = names
    # the capsule writes them down, and a model's own check looks whether they are true
    assert asked == {
        "running/capsule.py": {"attention_layers"},
        "certificate/captures.py": {"attention_layers"},
        "certificate/edits.py": {"attention_layers"},
    }


def test_every_family_says_what_it_shares() -> None:
    assert {entry.family for entry in METHODS.values()} == {
        "gradient",
        "propagation",
        "perturbation",
        "attention",
        "causal",
    }
