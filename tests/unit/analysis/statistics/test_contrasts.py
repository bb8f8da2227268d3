"""Contrasts as columns: what is looked at is made, and says what a plain walk over the pairs says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headscope.analysis.statistics.counterfactual import OTHERS, Members, Pairs, by_template, contrast, contrasts
from headscope.analysis.statistics.effect_rows import effect_row
from headscope.analysis.statistics.effects import coded, paired_effect
from headscope.analysis.statistics.pair_words import filler_of, template_of

WORDINGS = ("{} came home", "In the end {} was late", "Nobody knew {}")


def members(groups: tuple[str, ...], n: int = 24, *, named: bool) -> Members:
    """Shuffled pairs of two models, some prompts unmeasured, some groups twice."""
    generator = np.random.default_rng(5)
    rows = []
    for model in ("x", "y|z"):
        for pair in range(n):
            tags = ("set", f"kind {pair % 2}", *([f"template:w{pair % 3}"] if named else []))
            for group in (*groups, *groups[: pair % 2]):
                who = f"the {group} number {pair % 4}"
                value = float(generator.normal()) if generator.random() > 0.05 else math.nan
                rows.append((model, "s", f"p{pair}", group, tags, WORDINGS[pair % 3].format(who), value))
    rows = [rows[i] for i in generator.permutation(len(rows))]
    model, prompt_set, pair_id, group, tags, text, value = (list(column) for column in zip(*rows, strict=True))
    ids = [f"r{i}" for i in range(len(rows))]
    return Members(ids, model, prompt_set, pair_id, group, tags, text, np.array(value))


def walked(found: Members) -> dict[tuple[str, str, str, str], tuple[str, float]]:
    """(model, pair, a, b) -> (a's run, difference), prompt by prompt."""
    pairs: dict[tuple[str, str], dict[str, int]] = {}
    for i, value in enumerate(found.value):
        if math.isfinite(value):
            pairs.setdefault((found.model[i], found.pair_id[i]), {})[found.group[i]] = i
    expected = {}
    for (model, pair_id), mine in pairs.items():
        names = sorted(mine)
        for a in names[: {1: 0, 2: 1}.get(len(names))]:
            others = [found.value[mine[name]] for name in names if name != a]
            b = OTHERS if len(names) > 2 else names[1]
            expected[model, pair_id, a, b] = (found.run_id[mine[a]], float(found.value[mine[a]] - np.mean(others)))
    return expected


@pytest.mark.parametrize("groups", [("b", "a"), ("b", "c", "a"), ("d", "b", "Z", "a")])
@pytest.mark.parametrize("named", [True, False])
def test_pairs_are_those_of_a_walk_over_the_prompts(groups: tuple[str, ...], named: bool) -> None:
    found = members(groups, named=named)
    rows = contrasts(found, pooled=True)
    mine = {(row.model, pair.pair_id, row.a, row.b): pair for row in rows for pair in row.pairs}
    expected = walked(found)
    assert mine.keys() == expected.keys()
    for key, (run_id, difference) in expected.items():
        pair = mine[key]
        assert (pair.a_run, pair.difference) == (run_id, pytest.approx(difference))
        texts = [found.text[found.run_id.index(item)] for item in (pair.a_run, pair.b_run)]
        assert [pair.a_text, pair.b_text] == texts
        assert pair.template == (f"w{int(pair.pair_id[1:]) % 3}" if named else pair.template)
        if key[3] != OTHERS:
            assert pair.filler == filler_of(texts)
            assert named or pair.template == template_of(texts)
    for row in rows:
        differences = np.array([pair.difference for pair in row.pairs])
        assert (np.diff(abs(differences)) <= 0).all()
        assert row.effect.mean == pytest.approx(differences.mean())
        assert row.effect.groups == len({pair.template for pair in row.pairs})
        assert row.effect.fillers == len({pair.filler for pair in row.pairs})


def test_pairs_are_made_when_they_are_looked_at() -> None:
    (row, *_) = contrasts(members(("a", "b"), named=True), pooled=True)
    pairs, everything = row.pairs, list(row.pairs)
    assert isinstance(pairs, Pairs)
    assert len(pairs) == len(everything) == row.effect.n
    assert (pairs[0], pairs[-1], pairs[:3]) == (everything[0], everything[-1], tuple(everything[:3]))
    with pytest.raises(IndexError):
        pairs[len(pairs)]
    apart: dict[str, list[float]] = {}
    for pair in everything:
        apart.setdefault(pair.template, []).append(pair.difference)
    found = by_template(pairs)
    assert sorted(mean for _, mean, _ in found) == pytest.approx(sorted(map(np.mean, apart.values())))
    assert sum(n for *_, n in found) == len(pairs)
    assert set(pairs.shown.values()) == {wording for wording, *_ in found}


def test_one_row_is_that_of_the_table() -> None:
    found = members(("a", "b", "c"), named=True)
    for pooled in (False, True):
        for row in contrasts(found, pooled=pooled):
            one = contrast(found, row.key, pooled=pooled)
            assert one is not None
            assert (one.key, one.effect.n) == (row.key, row.effect.n)
            assert one.effect.mean == pytest.approx(row.effect.mean)
            assert math.isnan(one.adjusted_p)
    assert contrast(found, "x|s|no such tag|a|b") is None
    assert contrast(found, "nothing") is None
    assert contrasts(found.only([])) == []


def test_numbers_are_coded_as_names_are() -> None:
    numbers = np.random.default_rng(2).integers(0, 9, 50)
    assert coded(numbers).tolist() == coded([str(i) for i in numbers]).tolist()


@pytest.mark.parametrize(
    ("wordings", "fillers", "clusters", "said"),
    [
        (4, 1, "", "no interval and no p from fewer than 5"),
        (6, 1, "wordings", "of 64 all sign flips"),
        (40, 1, "wordings", "of 9,999 random sign flips"),
        (10, 9, "wordings and fillers", "interval of whole wordings and fillers"),
    ],
)
def test_a_row_says_how_it_was_worked_out(wordings: int, fillers: int, clusters: str, said: str) -> None:
    pairs = [(w, f) for w in range(wordings) for f in range(fillers)]
    values = np.random.default_rng(1).normal(size=2 * len(pairs))
    columns = [
        (f"{w} {f}", group, f"wording {w} {group} says filler{f}{group}", ("k", f"template:{w}"))
        for w, f in pairs for group in ("a", "b")
    ]  # fmt: skip
    pair_id, group, text, tags = (list(column) for column in zip(*columns, strict=True))
    n = len(columns)
    (row,) = contrasts(Members([str(i) for i in range(n)], ["m"] * n, ["s"] * n, pair_id, group, tags, text, values))
    found = effect_row("margin", row)
    assert (found.clusters, found.n_pairs, found.wordings, found.fillers) == (clusters, len(pairs), wordings, fillers)
    assert said in found.method
    assert (found.p is None) == (clusters == "")
    assert found.effect == pytest.approx((values[::2] - values[1::2]).mean())


def test_flips_count_what_p_is_of() -> None:
    assert paired_effect(np.ones(3)).flips == 0
    assert paired_effect(np.arange(6.0)).flips == 2**6
    assert paired_effect(np.arange(30.0)).flips == 9_999
