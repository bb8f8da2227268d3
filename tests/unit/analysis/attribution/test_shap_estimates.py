"""SHAP's estimates against exact Shapley values, and what they ask of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from headscope.analysis.attribution import unit_games
from headscope.analysis.attribution.coalitions import all_coalitions, shapley
from headscope.analysis.attribution.evaluations import Evaluations, drawing
from headscope.analysis.attribution.lattice import compute_lattices
from headscope.analysis.attribution.masking import Masking
from headscope.analysis.attribution.unit_games import UnitGame
from headscope.analysis.interfaces import Capture
from headscope.analysis.methods import shap_kernel, shap_permutation
from headscope.analysis.registry import METHODS
from headscope.analysis.types import Attribution
from headscope.analysis.workspace import Workspace

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

TEXT = "One two three four five six"
SHAP = ("shap_partition", "shap_permutation", "shap_kernel")


def prepared(backend: HFCausalBackend, text: str = TEXT, lattice: bool = True) -> tuple[Workspace, Any]:
    work = Workspace(backend, [backend.tokenize(text)], Capture())
    targets = [backend.resolve_target(work.texts[0], None, None, work.next_logprobs[0])]
    if lattice:  # all read the same values then, so that no rounding is between them
        compute_lattices(work, targets, "word", (Masking("mean"),))
    return work, targets


def scored(work: Workspace, targets: Any, name: str, **params: Any) -> tuple[np.ndarray, Attribution]:
    """Scores of the words, float64 `[word]`."""
    (found,) = METHODS[name].load()().attribute(work, targets, {"unit": "word", **params})
    assert found.error is None
    units = UnitGame.of(work, targets, 0, "word", Masking("mean")).units
    return np.array([found.scores[unit].astype(np.float64).sum() for unit in units]), found


def test_kernel_is_exact_once_all_coalitions_are_evaluated(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    exact, reference = scored(work, targets, "shapley_exact")
    kernel, found = scored(work, targets, "shap_kernel", max_evals=2 ** len(exact))
    assert np.abs(exact).max() > 0.1
    np.testing.assert_allclose(kernel, exact, atol=1e-6)
    assert found.outcome.steps == reference.outcome.steps == 2 ** len(exact)
    assert found.outcome.facts["sampling error"] == "none: every coalition was evaluated"
    few, other = scored(work, targets, "shap_kernel", max_evals=2 ** len(exact) - 6)
    assert np.abs(few - exact).max() > 1e-4
    assert str(other.outcome.facts["sampling error"]).startswith("not known")
    assert other.score_errors is None


def test_permutation_converges_within_its_own_error(backend: HFCausalBackend) -> None:
    work, targets = prepared(backend)
    exact, _ = scored(work, targets, "shapley_exact")
    units = UnitGame.of(work, targets, 0, "word", Masking("mean")).units
    misses, errors = [], []
    for most in (160, 2560):
        for seed in range(12):
            scores, found = scored(work, targets, "shap_permutation", max_evals=most, seed=seed)
            assert found.score_errors is not None
            mine = np.array([found.score_errors[unit].sum() for unit in units])
            assert found.outcome.error == pytest.approx(mine.max(), rel=1e-5)
            misses.append((scores - exact) / mine)
            errors.append(mine)
    assert 0.6 < np.sqrt(np.mean(np.square(misses))) < 1.5, "errors are what the scores are off by"
    assert np.mean(errors[:12]) / np.mean(errors[12:]) == pytest.approx(4, rel=0.3)


def test_one_order_is_exact_where_units_act_on_each_other_in_pairs() -> None:
    random = np.random.default_rng(3)
    weights, pairs = random.normal(size=5), np.triu(random.normal(size=(5, 5)), 1)

    def values(rows: Any) -> Any:
        there = np.asarray(rows, dtype=float)
        return there @ weights + ((there @ pairs) * there).sum(1)

    exact = shapley(values(all_coalitions(5)))
    np.testing.assert_allclose(exact, weights + (pairs + pairs.T).sum(1) / 2, atol=1e-12)
    found = shap_permutation.of_each_order(values, 5, 4, seed=1)
    np.testing.assert_allclose(found, np.tile(exact, (4, 1)), atol=1e-12)


@pytest.mark.parametrize("name", SHAP)
def test_a_coalition_is_evaluated_once_and_scores_add_up(
    tiny_gpt2: HFCausalBackend, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, targets = prepared(tiny_gpt2, lattice=False)
    asked: list[bytes] = []
    measure = unit_games.masked_values

    def counted(work: Workspace, targets: Any, prompts: Any, keep: Any, masking: Any) -> Any:
        asked.extend(mask.tobytes() for mask in keep)
        return measure(work, targets, prompts, keep, masking)

    monkeypatch.setattr(unit_games, "masked_values", counted)
    before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr, unused-ignore]
    scores, found = scored(work, targets, name, max_evals=300)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr, unused-ignore]
    assert len(asked) == len(set(asked)) == found.outcome.steps <= 2 ** len(scores)
    monkeypatch.undo()
    game = UnitGame.of(work, targets, 0, "word", Masking("mean"))
    none, every = game.values(np.array([[False], [True]]).repeat(len(scores), 1))
    assert scores.sum() == pytest.approx(every - none, abs=1e-4)
    assert found.outcome.value_change == pytest.approx(every - none, abs=1e-5)
    assert abs(found.convergence_delta) < 1e-5


class Linear(Evaluations):
    """A game without interactions, and the coalitions it was asked for."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights, self.rows = weights, list[np.ndarray]()

    def __call__(self, rows: Any) -> Any:
        self.rows.extend(np.array(rows))
        return np.array(rows) @ self.weights


@pytest.mark.parametrize("n_units", [2, 3, 7, 12, 30])
def test_the_fewest_evaluations_of_kernel_are_those_from_which_shap_takes_every_unit(n_units: int) -> None:
    weights, least = np.random.default_rng(n_units).normal(size=n_units), shap_kernel.fewest(n_units)
    seen = []
    for most in (least, least - 1):
        game = Linear(weights)
        scores = shap_kernel.regressed(game, n_units, most, 0)
        sizes = np.unique(np.array(game.rows), axis=0).sum(1)
        seen.append(bool((sizes == 1).sum() == n_units == (sizes == n_units - 1).sum()))
        if most == least:
            np.testing.assert_allclose(scores, weights, atol=1e-6)
        if n_units == 2:
            return
    assert seen == [True, False]


def test_too_few_evaluations_are_refused_with_how_many_it_takes(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2)
    units = len(UnitGame.of(work, targets, 0, "word", Masking("mean")).units)
    for name, least in (
        ("shap_permutation", shap_permutation.fewest(units)),
        ("shap_kernel", shap_kernel.fewest(units)),
    ):
        method = METHODS[name].load()()
        (refused,) = method.attribute(work, targets, {"unit": "word", "max_evals": least - 1})
        assert refused.error is not None
        assert f"{units} words" in refused.error
        assert f"{least} evaluations" in refused.error
        assert f"max_evals allows {least - 1}: raise it" in refused.error
        (found,) = method.attribute(work, targets, {"unit": "word", "max_evals": least})
        assert found.error is None
        assert found.score_errors is None, "one order has no spread"


def test_another_seed_draws_otherwise_and_the_same_seed_the_same(tiny_gpt2: HFCausalBackend) -> None:
    work, targets = prepared(tiny_gpt2)
    for name in ("shap_permutation", "shap_kernel"):
        first, again, other = (scored(work, targets, name, max_evals=30, seed=seed)[0] for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-4
    with drawing(3):
        inside = np.random.random()
    with drawing(3):
        assert np.random.random() == inside
