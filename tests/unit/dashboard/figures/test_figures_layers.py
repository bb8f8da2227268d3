"""Layers, attributions and attention: the numbers drawn are the numbers measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.types import HEAD_STATS
from headscope.analysis.types.outcome import Outcome
from headscope.dashboard.api.arrays import thumbnail
from headscope.dashboard.figures.layers import formation_curves, formation_figure, norms_figure
from headscope.dashboard.head_stats import STATS, head_stats
from headscope.dashboard.pages.run.attributions import convergence, method_views
from headscope.dashboard.pages.run.lens import lens_view
from headscope.dashboard.pages.run.tokens import runs_of
from tests.run_samples import NAN, PATH, T, attribution, attributions, full, trace


def test_lens_view_knows_from_which_layer_the_final_answer_stays() -> None:
    lens = full().lens
    assert lens is not None
    ids = np.array([[7, 1, 7], [7, 7, 2], [5, 7, 7], [7, 7, 7]], dtype=np.int32)
    table = replace(lens, top_ids=ids, top_probs=np.full((4, 3), 0.5, np.float32),
                    entropies=np.full((4, 3), np.log(2), np.float32), top_texts=(("a", "b", "c"),) * 4)  # fmt: skip
    view = lens_view(table, trace())
    assert view.decided == (3, 1, 2)
    np.testing.assert_array_equal(view.final, ids == 7)
    np.testing.assert_allclose(view.entropies, 1, rtol=1e-6)


def test_formation_and_norms_draw_every_layers_own_value() -> None:
    layers = full().layers
    assert layers is not None
    figure = formation_figure(layers, " away")
    for drawn, values in zip(figure.data, (layers.lens_prob, layers.lens_rank, layers.kl_to_final), strict=True):
        np.testing.assert_array_equal(drawn.y, values)
    assert not any(drawn.showlegend for drawn in figure.data)
    assert "“␣away”" in figure.layout.annotations[0].text
    assert "nats" in figure.layout.annotations[2].text
    norms = norms_figure(layers)
    for drawn, values in zip(
        norms.data, (layers.residual_norm, layers.attn_update_norm, layers.mlp_update_norm), strict=True
    ):
        np.testing.assert_array_equal(drawn.y, values)


def test_formation_follows_a_target_that_is_not_on_top_and_the_foil() -> None:
    layers, target = full().layers, full().target
    assert layers is not None
    assert target is not None
    second = replace(target, rank=2)
    drawn = formation_figure(layers, " up", second).data
    probs = (layers.lens_prob, np.exp(layers.lens_target_logprob), np.exp(layers.lens_foil_logprob))
    ranks = (layers.lens_rank, layers.lens_target_rank, layers.lens_foil_rank)
    for trace_, values in zip(drawn, (*probs, *ranks, layers.kl_to_final), strict=True):
        np.testing.assert_array_equal(trace_.y, values)
    assert [trace_.name for trace_ in drawn if trace_.showlegend] == ["top “␣up”", "target “␣away”", "foil “␣off”"]
    colours = [trace_.line.color for trace_ in drawn]
    assert colours[:3] == colours[3:6]
    assert len(set(colours)) == 3
    assert [curve.role for curve in formation_curves(layers, " away", target)] == ["top", "foil"]  # it is the top one
    nothing = np.full(2, np.nan, np.float32)
    old = replace(layers, lens_target_logprob=nothing, lens_foil_logprob=nothing)  # a run of an earlier schema
    assert [curve.role for curve in formation_curves(old, " up", second)] == ["top"]


def test_a_layer_that_was_not_measured_is_a_gap() -> None:
    layers = full().layers
    assert layers is not None
    figure = norms_figure(replace(layers, mlp_update_norm=np.full(2, np.nan, np.float32)))
    assert np.isnan(figure.data[2].y).all()


def test_method_views_keep_scores_and_share_a_scale_within_one_unit_only() -> None:
    saliency, shares, path, failed = method_views(attributions())
    np.testing.assert_array_equal(path.scores, np.array(PATH, dtype=np.float32))
    assert (saliency.limit["token"], saliency.shared_limit["token"]) == (4.0, 4.0)
    assert (shares.limit["token"], shares.shared_limit["token"]) == (2.0, 4.0)
    assert (path.limit["token"], path.shared_limit["token"]) == (4.0, 4.0)
    assert path.total == pytest.approx(6.0)
    assert failed.error == "this model has no such layers"
    assert np.isnan(failed.total)
    assert failed.limit["token"] == 0


def test_words_take_the_sum_of_signed_scores_and_the_norm_of_gradients() -> None:
    saliency, shares, path, _ = method_views(
        attributions(), {"word": [start for start, _ in runs_of(trace().tokens.words)]}
    )
    np.testing.assert_allclose(saliency.words, [4.0, 1.0, 4.25**0.5, 0.25, 10**0.5], rtol=1e-6)
    assert shares.words.tolist() == [0.5, -1.0, 2.25, -0.125, 0.0]
    assert np.isnan(path.words[0])
    assert shares.limit["word"] == 2.25
    assert shares.shared_limit["word"] == path.limit["word"] == 4.0


def test_layers_and_heads_are_reduced_to_tokens_and_say_so_and_grids_have_no_strip() -> None:
    per_head = replace(attribution("attention_x_gradient", [], signed=True), axes=("layer", "head", "position"),
                       scores=np.arange(12, dtype=np.float32).reshape(2, 3, 2))  # fmt: skip
    heads = replace(attribution("head_ablation", [], signed=True), axes=("layer", "head"), scores=np.ones((2, 3), "f4"))
    tokens, grid = method_views((per_head, heads))
    assert tokens.scores.tolist() == [30.0, 36.0]
    assert tokens.note == "Summed over layers and heads."
    assert not grid.strip
    assert "One score per head" in grid.note
    assert grid.scores.size == 0


def test_units_follow_the_quantity_and_an_unsigned_method_has_its_own() -> None:
    logit = replace(attributions()[1], quantity="logit_difference")
    assert method_views((logit,))[0].unit == "logits"
    assert dict(method_views((logit,))[0].facts)["explains"] == "logit of “␣away” minus “␣off”"
    assert method_views((attribution("saliency", [1.0] * T, signed=False),))[0].unit == "nats / embedding unit"
    assert method_views((attribution("attention_mean", [1.0] * T, signed=False),))[0].unit == "attention weight"


def test_the_receipt_says_what_was_explained_and_how() -> None:
    receipt = dict(method_views(attributions())[2].facts)
    assert receipt["explains"] == "log-probability of “␣away” minus “␣off”"
    assert receipt["value"] == "+1.5000 nats"
    assert receipt["scores add up to within"] == "+2.0000 nats"
    assert receipt["baseline"] == "eos"
    assert receipt["steps"] == "49"
    assert receipt["converged"] == "no"
    assert receipt["a coarser quadrature differs by up to"] == "0.75 nats"
    assert "scores add up to within" not in dict(method_views(attributions())[0].facts)
    removed = replace(
        attribution("occlusion", [1.0] * T, signed=True), params={"masking": "token", "replacement": " the\n"}
    )
    said = dict(method_views((removed,))[0].facts)
    assert (said["masking"], said["replacement"]) == ("token", "“␣the⏎”")


def test_a_warning_in_plain_words_when_scores_do_not_add_up() -> None:
    view = method_views(attributions())[2]
    assert view.verdict == "not_converged"
    assert "add up to 6 nats" in view.warning
    assert "changed by 4 nats: off by 50% of the largest score" in view.warning
    assert "0.75 nats" in view.warning
    assert "A coarser quadrature differs by up to 0.75 nats. Do not rank" in view.warning
    assert view.warning.endswith("more steps (max_steps).")


def test_a_sampling_method_that_did_not_settle_says_how_far_other_draws_would_move_it() -> None:
    outcome = Outcome(False, error=0.4, error_label="other draws move scores by", remedy="more samples (samples)")
    item = attribution("expected_gradients", [1.0] * T, signed=True, convergence_delta=0.0, outcome=outcome)
    view = method_views((item,))[0]
    assert view.verdict == "not_converged"
    assert "Other draws move scores by 0.4 nats." in view.warning
    assert view.warning.endswith("more samples (samples).")


@pytest.mark.parametrize(
    ("delta", "said", "verdict"),
    [
        (float("nan"), None, "none"),
        (0.04, None, "adds_up"),
        (0.06, None, "off"),
        (-0.5, None, "off"),
        (0.4, True, "converged"),
        (0.0, False, "not_converged"),
        (float("nan"), False, "not_converged"),
    ],
)
def test_convergence_is_the_methods_own_word_else_a_share_of_the_largest_score(
    delta: float, said: bool | None, verdict: str
) -> None:
    item = attribution("x", [1.0] * T, signed=True, convergence_delta=delta, outcome=Outcome(said))
    assert convergence(item) == verdict
    assert bool(method_views((item,))[0].warning) == (verdict in ("off", "not_converged"))


def test_error_bars_and_reasons_go_with_the_scores_by_token_and_by_word() -> None:
    errors = np.array([NAN, 0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.4], dtype=np.float32)
    outcome = Outcome(True, not_explained="the token at position 0 is the baseline itself")
    item = attribution("integrated_gradients", PATH, signed=True, outcome=outcome, score_errors=errors)
    (view,) = method_views((item,), {"word": [0, 1, 3]})
    np.testing.assert_array_equal(view.errors, errors)
    np.testing.assert_allclose(view.word_errors, [NAN, 0.3, 1.0], rtol=1e-6)
    assert view.not_explained.startswith("the token at position 0")
    assert method_views(attributions())[0].errors.size == 0


def test_statistics_defined_for_no_head_are_left_out_and_every_one_is_named() -> None:
    heads = full().heads
    assert heads is not None
    found = head_stats(heads)
    assert set(HEAD_STATS) == set(STATS)
    assert set(HEAD_STATS) - set(found) == {"induction", "induction_lift", "duplicate_token"}
    whole = replace(heads, missing_mass=np.full_like(heads.entropy, 0.001))  # rounding
    assert "missing_mass" not in head_stats(whole)
    np.testing.assert_array_equal(found["entropy"].values, heads.entropy)
    assert found["entropy"].unit == "nats"


@pytest.mark.parametrize(("length", "side"), [(8, 3), (7, 7), (5, 32), (64, 32), (50, 32), (33, 32)])
def test_thumbnail_is_the_maximum_of_its_cells_and_loses_no_peak(length: int, side: int) -> None:
    levels = np.random.default_rng(3).integers(0, 256, (2, 2, length, length), dtype=np.uint8)
    small = thumbnail(levels, side)
    count = min(side, length)
    assert small.shape == (2, 2, count, count)
    owner = np.arange(length) * count // length  # the rule of headscope.attention.pool
    for i in range(count):
        for j in range(count):
            block = levels[:, :, owner == i][:, :, :, owner == j]
            np.testing.assert_array_equal(small[:, :, i, j], block.max(axis=(2, 3)))
