"""Grids over layers, heads, components and generated tokens, and the correlation of looks with effects."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from headscope.analysis.attribution.results import position_scores
from headscope.analysis.types import Attribution, HeadSummary
from headscope.analysis.types.outcome import Outcome
from headscope.dashboard.pages.run.grids import grid_arrays, grid_views, layer_labels
from headscope.dashboard.pages.run.heads import spearman
from headscope.dashboard.pages.run.sources import group_starts, of_continuation, sources_view
from tests.run_samples import HEADS, LAYERS, T, attribution, full, tokens

RNG = np.random.default_rng(3)
ABLATION = RNG.normal(size=(LAYERS, HEADS)).astype(np.float32)
WRITTEN = RNG.normal(size=(LAYERS, HEADS + 1)).astype(np.float32)
READ = np.where(np.arange(T) == 0, np.nan, RNG.normal(size=(LAYERS, HEADS, T))).astype(np.float32)
READ_AXES = ("layer", "head", "position")


def items() -> tuple[Attribution, ...]:
    """A failed one first, so that an index is not a rank; then layers, heads and components."""
    failed = attribution("attn_lrp", [], signed=True, error="no such layers")
    layers = replace(attribution("layer_gradients", [1.0] * T, signed=True),
                     layer_scores=RNG.normal(size=(LAYERS + 1, T)).astype(np.float32))  # fmt: skip
    heads = replace(attribution("head_ablation", [], signed=True, params={"kind": "mean"}), scores=ABLATION,
                    axes=("layer", "head"))  # fmt: skip
    written = Outcome(terms={"token embedding": 0.25})
    parts = replace(attribution("direct_logit_attribution", [], signed=True, outcome=written),
                    scores=WRITTEN, axes=("layer", "component"))  # fmt: skip
    looks = replace(attribution("attention_raw", [], signed=False), scores=np.abs(READ), axes=READ_AXES)
    through = replace(attribution("attention_x_gradient", [], signed=True), scores=READ, axes=READ_AXES)
    return failed, layers, heads, parts, looks, through


def heads() -> HeadSummary:
    found = full().heads
    assert found is not None
    return found


def test_every_grid_names_its_array_rows_and_columns() -> None:
    layers, parts, ablation, direct, through = grid_views(items(), LAYERS, heads())
    arrays = grid_arrays(items())
    names = ["layers.1", "components.3", "heads.2", "heads.3", "heads.5"]
    assert [view.array for view in (layers, parts, ablation, direct, through)] == names
    assert set(arrays) == set(names)  # raw attention is where a head looks, not what it does
    np.testing.assert_array_equal(arrays["heads.3"], arrays["components.3"][:, :-1])
    np.testing.assert_allclose(arrays["heads.5"], np.nansum(items()[5].scores, -1), rtol=1e-5)
    assert through.note == "Summed over tokens."
    assert layers.rows == ("embeddings", "1", "final norm")
    assert "the first row the embeddings" in layers.note
    assert ablation.columns == ("H0", "H1", "H2")
    assert ablation.note == "Kind mean."
    assert parts.columns[-1] == "MLP"
    assert parts.terms == (("token embedding", 0.25),)
    assert ablation.limit == np.abs(ABLATION).max()
    np.testing.assert_array_equal(arrays["heads.2"], ABLATION)
    assert all(values.dtype == np.float32 for values in arrays.values())


def test_relevance_of_heads_is_a_grid_beside_ablation() -> None:
    relevance = replace(attribution("attn_lrp", [1.0] * T, signed=True), head_scores=2 * ABLATION)
    shown = (relevance, *items())
    assert [view.array for view in grid_views(shown, LAYERS, heads()) if view.kind == "heads"] == [
        "heads.0", "heads.3", "heads.4", "heads.6"]  # fmt: skip
    (view,) = grid_views((relevance,), LAYERS, heads())
    assert (view.kind, view.signed, view.rows, view.columns) == ("heads", True, ("0", "1"), ("H0", "H1", "H2"))
    assert view.limit == 2 * np.abs(ABLATION).max()
    assert view.looks["entropy"][0] == grid_views(items(), LAYERS, heads())[2].looks["entropy"][0]
    np.testing.assert_array_equal(grid_arrays(shown)["heads.0"], 2 * ABLATION)


def test_of_several_conditions_the_first_is_drawn() -> None:
    both = np.stack([ABLATION, 10 * ABLATION])
    for scores, axes in ((both, ()), (both[None], ("target_position",))):
        item = replace(items()[2], method="co_ablation", scores=scores, axes=(*axes, "condition", "layer", "head"))
        (view,) = grid_views((item,), LAYERS, heads())
        assert (view.kind, view.columns, view.targets) == ("heads", ("H0", "H1", "H2"), bool(axes))
        assert view.limit == np.abs(ABLATION).max()
        assert view.looks["entropy"][0] == grid_views(items(), LAYERS, heads())[2].looks["entropy"][0]
        np.testing.assert_array_equal(grid_arrays((item,))["heads.0"], ABLATION[None] if axes else ABLATION)


def test_cells_of_layers_are_drawn_as_they_are_and_are_no_row_of_tokens() -> None:
    cells = np.arange(LAYERS * T, dtype=np.float32).reshape(LAYERS, T)
    patched = replace(attribution("activation_patching", [], signed=True, params={"direction": "break"}), scores=cells,
                      axes=("layer", "position"))  # fmt: skip
    (view,) = grid_views((patched,), LAYERS)
    assert (view.kind, view.unit, view.note, view.rows) == (
        "layers",
        "of the difference",
        "Direction break.",
        ("0", "1"),
    )
    np.testing.assert_array_equal(grid_arrays((patched,))["layers.0"], cells)
    assert position_scores(patched) is None


def test_a_row_per_layer_is_not_called_a_stream_that_is_read() -> None:
    assert layer_labels(LAYERS, LAYERS) == ("0", "1")
    written = replace(items()[1], layer_scores=np.zeros((LAYERS, T), np.float32))
    assert grid_views((written,), LAYERS)[0].note == "Row l is layer l."


def test_looks_correlate_with_the_effects_size_and_with_its_direction() -> None:
    view = grid_views(items(), LAYERS, heads())[2]
    size, direction = view.looks["entropy"][0]
    assert size.rho == pytest.approx(stats.spearmanr(heads().entropy.ravel(), np.abs(ABLATION).ravel()).statistic)
    assert direction.rho == pytest.approx(stats.spearmanr(heads().entropy.ravel(), ABLATION.ravel()).statistic)
    assert "induction" not in view.looks


def test_what_heads_do_by_one_method_correlates_with_each_other_in_both_directions() -> None:
    ablation, direct, through = grid_views(items(), LAYERS, heads())[2:]
    assert set(ablation.agrees) == {"direct_logit_attribution", "attention_x_gradient"}
    expected = stats.spearmanr(ABLATION.ravel(), WRITTEN[:, :-1].ravel()).statistic
    assert ablation.agrees["direct_logit_attribution"][0].rho == pytest.approx(expected)
    assert direct.agrees["head_ablation"] == ablation.agrees["direct_logit_attribution"]
    assert through.agrees["head_ablation"][0].n == LAYERS * HEADS
    unsigned = tuple(replace(item, signed=False) if item.method == "head_ablation" else item for item in items())
    sizes = stats.spearmanr(np.abs(ABLATION).ravel(), np.abs(WRITTEN[:, :-1]).ravel()).statistic
    of_sizes = grid_views(unsigned, LAYERS, heads())[2].agrees["direct_logit_attribution"]
    assert of_sizes[0].rho == pytest.approx(sizes)


def test_spearman_is_scipys_with_ties_and_bonett_wrights_interval() -> None:
    random = np.random.default_rng(3)
    first = random.integers(0, 6, 40).astype(np.float64)
    second = first + random.normal(size=40) * 3
    second[5] = np.nan
    found = spearman(first, second)
    expected = stats.spearmanr(first, second, nan_policy="omit").statistic
    assert found.n == 39
    assert found.rho == pytest.approx(expected, abs=1e-7)
    half = 1.959964 * math.sqrt((1 + expected**2 / 2) / 36)
    assert found.low == pytest.approx(math.tanh(math.atanh(expected) - half), abs=1e-7)
    assert found.high == pytest.approx(math.tanh(math.atanh(expected) + half), abs=1e-7)


def test_spearmans_interval_covers_the_truth_as_often_as_it_says() -> None:
    rho, n, rng = 0.5, 60, np.random.default_rng(0)
    truth = 6 / math.pi * math.asin(rho / 2)  # of a bivariate normal
    hits = 0
    for _ in range(400):
        x = rng.normal(size=n)
        found = spearman(x, rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n))
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / 400 <= 0.98


@pytest.mark.parametrize(("first", "n"), [([1.0] * 9, 9), ([1.0, 2.0, 3.0], 3), ([], 0), ([math.nan] * 8, 0)])
def test_no_correlation_of_what_is_constant_or_too_little(first: list[float], n: int) -> None:
    found = spearman(np.array(first), np.arange(len(first), dtype=np.float64))
    assert math.isnan(found.rho)
    assert found.n == n


def test_perfect_agreement_has_no_room_around_it() -> None:
    found = spearman(np.arange(9.0), np.arange(9.0) ** 3)
    assert (found.rho, found.low, found.high) == (1.0, 1.0, 1.0)


def test_a_continuations_columns_are_the_prompt_and_what_followed_and_no_word_crosses_the_border() -> None:
    continuation = full().continuation
    assert continuation is not None
    view = sources_view(tokens(), continuation)
    assert view.n_prompt == T
    assert [column.text for column in view.tokens[T:]] == [" away", "."]
    assert [column.generated for column in view.tokens] == [False] * T + [True] * 2
    assert [column.text for column in view.words] == ["The", " cat", "  saw", " 🦊", "\nrun", " away", "."]
    assert view.logprobs == pytest.approx((-0.7, -1.0))


def test_a_continuations_scores_are_target_by_source_by_token_and_by_word() -> None:
    continuation = full().continuation
    scores = np.random.default_rng(3).normal(size=(2, T + 2)).astype(np.float32)
    scores[0, T:] = np.nan
    scores[1, T + 1 :] = np.nan
    item = replace(
        attribution("input_x_gradient", [], signed=True), scores=scores, axes=("target_position", "position")
    )
    assert of_continuation((item,))
    starts = group_starts(tokens(), continuation, (item,))
    found = grid_arrays((item,), starts)
    np.testing.assert_array_equal(found["tokens.0"], scores)
    assert found["words.0"].shape == (2, 7)
    assert found["words.0"][0, 2] == pytest.approx(scores[0, 2] + scores[0, 3])
    assert np.isnan(found["words.0"][0, 5:]).all()
    assert found["sentences.0"].shape == (2, 3)  # a line break, and the border before the continuation
    assert found["sentences.0"][1, 0] == pytest.approx(scores[1, :6].sum(), rel=1e-5)
    assert not of_continuation((attribution("saliency", [1.0] * T, signed=False),))
