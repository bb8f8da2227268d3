"""The figures that notebooks draw and pages draw on canvases: what they hold is what they were given."""

from __future__ import annotations

import numpy as np

from headscope.analysis.statistics.effect_rows import EffectRow
from headscope.dashboard.figures.attributions import AGAINST, FOR, TokenScores, token_scores
from headscope.dashboard.figures.effects import forest
from headscope.dashboard.figures.grids import Grid, grid_figure

NAN = float("nan")


def effect(a: str, value: float | None, low: float | None, high: float | None) -> EffectRow:
    return EffectRow("margin", "m", "s", "t", a, "b", value, low, high, 0.01, 0.02, 1.0, None, None, 0.5, None, None,
                     7, 4, 0, 6, 1, "wordings", "by hand")  # fmt: skip


def grid(signed: bool) -> Grid:
    values = np.array([[0.25, NAN, -0.5], [0.0, 0.125, 0.375]], dtype=np.float32)
    return Grid(values, ("0", "1"), ("a", "b", "c"), "layer", "head", "nats", signed)


def test_a_grid_holds_its_values_and_is_symmetric_when_signed() -> None:
    signed, unsigned = grid_figure(grid(True)), grid_figure(grid(False))
    np.testing.assert_array_equal(np.array(signed.data[0].z, float), grid(True).values)
    assert (signed.layout.coloraxis.cmin, signed.layout.coloraxis.cmax) == (-0.5, 0.5)
    assert (unsigned.layout.coloraxis.cmin, unsigned.layout.coloraxis.cmax) == (0, 0.5)
    assert list(signed.data[0].customdata[1][2]) == ["1", "c"]
    assert signed.data[0].hoverongaps is False


def test_the_first_row_is_below_unless_it_is_text() -> None:
    assert grid_figure(grid(True)).layout.yaxis.autorange is True
    downwards = Grid(np.eye(2), ("x", "y"), ("x", "y"), "query", "key", "weight", False, downwards=True)
    assert grid_figure(downwards).layout.yaxis.autorange == "reversed"


def test_nothing_measured_is_an_empty_map() -> None:
    empty = Grid(np.full((1, 2), NAN), ("0",), ("a", "b"), "layer", "head", "nats", True)
    fig = grid_figure(empty)
    assert np.isnan(np.array(fig.data[0].z, float)).all()
    assert fig.layout.coloraxis.cmax == 1


def test_bars_have_the_colour_of_their_sign_and_errors_where_there_are_some() -> None:
    scores = np.array([1.0, -2.0, NAN], dtype=np.float32)
    fig = token_scores(
        [TokenScores("one", "nats", scores, np.array([0.5, 0.25, NAN]), "converged"),
         TokenScores("two", "logits", scores, np.empty(0), "no receipt")],
        ("a", "b", "c"),
    )  # fmt: skip
    assert list(fig.data[0].marker.color)[:2] == [FOR, AGAINST]
    assert list(fig.data[0].error_y.array)[:2] == [0.5, 0.25]
    assert fig.data[1].error_y.array is None
    assert [title.text for title in fig.layout.annotations] == ["one (nats) · converged", "two (logits) · no receipt"]


def test_a_forest_reaches_as_far_as_its_intervals() -> None:
    fig = forest([effect("x", 0.5, 0.25, 1.0), effect("y", -0.25, None, None)], "nats")
    assert (list(fig.data[0].x), fig.data[0].error_x.array[0], fig.data[0].error_x.arrayminus[0]) == (
        [0.5, -0.25], 0.5, 0.25,
    )  # fmt: skip
    assert np.isnan(fig.data[0].error_x.array[1])
    assert list(fig.layout.yaxis.ticktext) == ["x − b · t · m, 7 pairs", "y − b · t · m, 7 pairs"]
    assert fig.data[0].customdata[1][1] == "no interval"
