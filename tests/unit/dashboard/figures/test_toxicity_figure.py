"""The spread of scores, drawn from counts."""

from __future__ import annotations

import pytest

from headscope.dashboard.figures.toxicity import Spread, score_spread

SPREADS = (Spread("all", "prompt", (6, 2, 0, 0), 0.56), Spread("all", "continuation", (1, 1, 1, 1), 0.56),
           Spread("none", "prompt", (0, 0, 0, 0), 0.56))  # fmt: skip


def test_shares_of_texts_by_bin_and_up_to_each() -> None:
    steps = score_spread(SPREADS)
    assert [list(trace.y) for trace in steps.data] == [[75, 25, 0, 0, 0], [25, 25, 25, 25, 0]]
    assert [list(trace.x) for trace in steps.data] == [[0, 0.25, 0.5, 0.75, 1]] * 2
    rising = score_spread(SPREADS, cumulative=True)
    assert list(rising.data[0].y) == pytest.approx([0, 75, 100, 100, 100])
    assert [shape.x0 for shape in steps.layout.shapes] == [0.56, 0.56]
    assert [text.text for text in steps.layout.annotations] == ["Prompts", "Continuations"]
    assert not score_spread(()).data
