"""The layer in which two models part, from made-up norms of their states."""

from __future__ import annotations

import numpy as np
import pytest

from headscope.analysis.statistics import check_rules
from headscope.analysis.statistics.first_layer import ATTENTION, MLP, UNREAD, Parting, StateNorms, parting
from headscope.analysis.statistics.regression import Comparison

LAYERS, POSITIONS = 4, 3
Pair = tuple[StateNorms, StateNorms]


def pair(first: int | None, *, by: float = 0.01, attention: float = 0.0, noise: float = 1e-6, seed: int = 0) -> Pair:
    """Norms of one prompt under two models that differ by `by` at the last position from layer `first` on."""
    random = np.random.default_rng(seed)
    residual = random.uniform(1, 100, (LAYERS, POSITIONS)).astype(np.float32)
    other = residual * (1 + noise * random.uniform(-1, 1, residual.shape))
    update = np.ones(LAYERS, np.float32)
    changed = update.copy()
    if first is not None:
        other[first:, -1] *= 1 + by
        changed[first:] += attention
    return StateNorms(residual, update), StateNorms(other.astype(np.float32), changed)


@pytest.mark.parametrize(("attention", "part"), [(0.5, ATTENTION), (0.0, MLP), (np.nan, "")])
@pytest.mark.parametrize("layer", range(LAYERS))
def test_the_first_layer_that_differs_is_named(layer: int, attention: float, part: str) -> None:
    found = parting([pair(layer, attention=attention, seed=i) for i in range(8)], "float32")
    assert (found.layer, found.part, found.differing, found.here, found.n) == (layer, part, 8, 8, 8)
    assert f"from layer {layer} of 0 to 3 on" in found.said()


def test_rounding_names_no_layer() -> None:
    found = parting([pair(None, noise=2e-6, seed=i) for i in range(50)], "float32")
    assert (found.layer, found.differing, found.n) == (None, 0, 50)
    assert found.said().startswith("No layer's states differ in the 50 prompts")
    assert parting([pair(2, by=1e-3)], "float32").layer == 2
    assert parting([pair(2, by=1e-3)], "bfloat16").layer is None


def test_an_edit_that_some_prompts_do_not_meet_is_found_and_one_odd_prompt_is_not() -> None:
    some = [pair(1 if i < 3 else None, seed=i) for i in range(30)]
    assert parting(some, "float32").layer == 1
    assert parting(some, "float32").differing == 3
    odd = [pair(0 if i == 0 else 2, seed=i) for i in range(40)]
    assert parting(odd, "float32").layer == 2
    assert parting(odd, "float32").here == 39


def test_what_cannot_be_compared_says_why() -> None:
    one, _ = pair(None)
    other = StateNorms(np.ones((LAYERS + 1, POSITIONS), np.float32), np.ones(LAYERS + 1, np.float32))
    for pairs, dtype, why in (
        ([(one, other)], "float32", "other layers or cut the prompts otherwise"),
        ([], "float32", "no stored run has layers"),
        ([pair(1)], "int3", "rounding is not known"),
    ):
        found = parting(pairs, dtype)
        assert (found.layer, found.tolerance) == (None, None)
        assert why in found.said()


def test_two_norms_of_zero_are_the_same() -> None:
    nothing = StateNorms(np.zeros((LAYERS, POSITIONS), np.float32), np.zeros(LAYERS, np.float32))
    assert parting([(nothing, nothing)], "float32").layer is None


@pytest.mark.parametrize(
    ("states", "failed", "unmeasured"),
    [
        (parting([pair(2)], "float32"), True, []),
        (parting([pair(None)], "float32"), False, []),
        (UNREAD, None, ["states"]),
    ],
)
def test_the_rule_of_states(states: Parting, failed: bool | None, unmeasured: list[str]) -> None:
    rules = check_rules.parse("states")
    found = Comparison((), (), (), (), 1, 0, 0, states)
    (verdict,) = check_rules.verdicts(rules, found)
    assert verdict.failed is failed
    assert check_rules.unmeasured(rules, found) == unmeasured
    assert ("from layer 2 on" in verdict.said) is bool(failed)
    assert check_rules.verdicts(check_rules.parse("states:1"), found)[0].failed is (None if failed is None else False)
