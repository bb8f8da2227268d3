"""Two models on the same pairs: by hand, what is left out, and how often chance alone is taken for a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.statistics.beside import beside
from headscope.analysis.statistics.counterfactual import Members
from headscope.analysis.statistics.effects import paired_effect

WORDINGS, FILLERS = 12, 12
SIMULATED = 200


def members(model: str, a: list[float], b: list[float]) -> Members:
    """Pair i has these two values; wording i // 4 and filler (4 * wording + i) % 12, as in the sets."""
    pairs = [(i, side) for i in range(len(a)) for side in (0, 1)]
    n = len(pairs)
    words = [(f"w{i // 4}", (i // 4 + i % 4) % FILLERS) for i, _ in pairs]
    return Members(
        [f"{model}-{i}-{side}" for i, side in pairs], [model] * n, ["people"] * n, [f"p{i}" for i, _ in pairs],
        [("old", "young")[side] for _, side in pairs], [("manners", f"template:{word}") for word, _ in words],
        [f"{word} the {('old', 'young')[side]} f{filler} was" for (_, side), (word, filler) in
         zip(pairs, words, strict=True)],
        np.array([(a[i], b[i])[side] for i, side in pairs]),
    )  # fmt: skip


def test_a_difference_of_differences_by_hand() -> None:
    one = members("one", [3.0, 1.0, 2.0, 0.0, 5.0], [1.0, 1.0, 0.5, 1.0, 1.0])  # 2, 0, 1.5, -1, 4
    two = members("two", [1.0, 2.0, 2.0, 0.0, 1.0], [1.0, 1.0, 1.0, 2.0, 1.0])  # 0, 1, 1, -2, 0
    (row,) = beside(one, two, "two")
    assert (row.first.model, row.second.model) == ("one", "two")
    assert (row.first.effect.mean, row.second.effect.mean) == (pytest.approx(1.3), pytest.approx(0.0))
    assert row.apart.mean == pytest.approx((2 - 1 + 0.5 + 1 + 4) / 5)
    assert (row.apart.n, row.apart.above, row.apart.ties, row.apart.below) == (5, 4, 0, 1)
    (turned,) = beside(two, one, "one")
    assert turned.apart.mean == pytest.approx(-row.apart.mean)


def test_the_effect_is_that_of_the_differences_clustered_both_ways() -> None:
    random = np.random.default_rng(1)
    a, b, c, d = random.normal(size=(4, 48)).tolist()
    (row,) = beside(members("one", a, b), members("two", c, d), "two")
    values = np.array(a) - b - (np.array(c) - d)
    wording = [i // 4 for i in range(48)]
    filler = [(i // 4 + i % 4) % FILLERS for i in range(48)]
    expected = paired_effect(values, wording, filler)
    assert (row.apart.groups, row.apart.fillers) == (12, 1)  # "old / young" is what differs: one filler
    assert row.apart.mean == pytest.approx(expected.mean)
    alone = paired_effect(values, wording)
    assert row.apart.p == pytest.approx(alone.p, abs=0.02)  # pairs come in another order: other draws
    assert (row.apart.low, row.apart.high) == (pytest.approx(alone.low, abs=0.05), pytest.approx(alone.high, abs=0.05))
    assert row.adjusted_p == row.apart.p


def test_only_what_both_measured_with_the_same_text_counts() -> None:
    one = members("one", [1.0] * 24, [0.0] * 24)
    two = members("one", [3.0] * 24, [0.0] * 24)
    value, text = two.value.copy(), list(two.text)
    value[0] = np.nan  # a side of pair 0
    text[3] = "another wording of the young one of pair 1"
    (row,) = beside(one, replace(two, value=value, text=text))
    assert (row.first.effect.n, row.second.effect.n, row.apart.n) == (22, 22, 22)
    assert row.apart.mean == pytest.approx(-2.0)
    assert beside(one, two, "three") == []
    renamed = replace(two, tags=[("other", "template:x")] * len(two.tags))
    assert [found.first.attribute for found in beside(one, renamed)] == ["manners"]


def test_every_model_of_the_first_meets_its_partner() -> None:
    one, other, two = (members(name, [at] * 24, [0.0] * 24) for at, name in enumerate(("one", "other", "two"), 1))
    both = Members(*(list(getattr(one, name)) + list(getattr(other, name)) for name in
                     ("run_id", "model", "prompt_set", "pair_id", "group", "tags", "text")),
                   np.concatenate([one.value, other.value]))  # fmt: skip
    found = {row.first.model: row.apart.mean for row in beside(both, two, "two")}
    assert found == {"one": pytest.approx(-2.0), "other": pytest.approx(-1.0)}
    same = beside(both, replace(both, value=both.value + np.tile([0.5, 0.0], 48)))
    assert {row.first.model: row.apart.mean for row in same} == {
        "one": pytest.approx(-0.5),
        "other": pytest.approx(-0.5),
    }


@pytest.mark.parametrize("share", [0.0, 0.5], ids=["pairs alone", "wordings"])
def test_two_models_alike_are_called_different_no_more_often_than_allowed(share: float) -> None:
    """Both models prefer one group alike (1 nat); each has its own noise of wordings and pairs."""
    random = np.random.default_rng(2)
    found, missed = [], []
    for _ in range(SIMULATED):
        sides = []
        for name in ("one", "two"):
            noise = np.repeat(random.normal(size=12) * share**0.5, 4) + random.normal(size=48) * (1 - share) ** 0.5
            sides.append(members(name, (1 + noise).tolist(), [0.0] * 48))
        (row,) = beside(*sides, "two")
        assert row.first.effect.mean == pytest.approx(1, abs=1.2)
        found.append(row.apart.p <= 0.05)
        missed.append(not row.apart.low <= 0 <= row.apart.high)
    error = np.sqrt(0.05 * 0.95 / SIMULATED)
    assert np.mean(found) <= 0.05 + 2 * error
    assert np.mean(missed) <= 0.06 + 2 * error


def test_a_real_difference_is_found() -> None:
    random = np.random.default_rng(3)
    one = members("one", random.normal(1.5, 1, 48).tolist(), [0.0] * 48)
    two = members("two", random.normal(0.0, 1, 48).tolist(), [0.0] * 48)
    (row,) = beside(one, two, "two")
    assert row.adjusted_p < 0.01
    assert row.apart.low > 0
