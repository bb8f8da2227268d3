"""The Heads page without a browser: full, empty, broken, its order, labels and the numbers behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dash import dcc
from scipy import stats

from headscope.analysis.statistics.intervals import of_moments
from headscope.dashboard.pages.heads import page as heads
from headscope.dashboard.pages.heads.query import HeadsQuery
from headscope.dashboard.pages.heads.rows import ends
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import HeadMeans
from headscope.storage.sql import readonly
from tests.factories import make_info, make_set
from tests.head_runs import N, fill, results
from tests.page_parts import BrokenStore, hrefs, text_of, walk


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "heads.duckdb")) as opened:
        fill(opened)
        yield opened


def bodies(store: Any, **query: Any) -> dict[str, Any]:
    state = HeadsQuery.from_query({"experiment": "removed", **{key: str(value) for key, value in query.items()}})
    return {id_: heads.SCOPED.content(id_, Services(store), state)[0] for id_ in heads.SCOPED.cards}


def rows(body: Any) -> list[str]:
    return [text_of(row) for row in walk(body) if type(row).__name__ == "Tr"][1:]


def figure(body: Any) -> Any:
    (found,) = (node.figure for node in walk(body) if isinstance(node, dcc.Graph))
    return found


def test_every_card_is_filled_and_every_link_understood(store: Store) -> None:
    state = HeadsQuery.from_query({"experiment": "removed"})
    for id_ in heads.SCOPED.cards:
        body, actions = heads.SCOPED.content(id_, Services(store), state)
        assert "Could not" not in text_of(body)
        assert (body is None) == (id_ in {"heads-one", "heads-models"})
        for link in [*hrefs(body), *hrefs(actions)]:
            path, _, rest = link.partition("?")
            if path == "/heads":
                assert HeadsQuery.from_query(rest).notes == ()


def test_the_map_shows_the_means_with_their_intervals(store: Store) -> None:
    values = np.stack([result.heads.previous_token for result in results(ablated=True)]).astype(float)  # type: ignore[union-attr]
    (trace,) = figure(bodies(store)["heads-map"]).data
    np.testing.assert_allclose(np.array(trace.z), values.mean(0), rtol=1e-9)
    low, high, n = np.moveaxis(np.array(trace.customdata, float), -1, 0)
    moments = values.mean(0), values.std(0, ddof=1), stats.skew(values, axis=0)
    np.testing.assert_allclose((low, high), of_moments(np.full(values.shape[1:], N), *moments), rtol=1e-5)
    half = 2.200985 * moments[1] / np.sqrt(N)  # Student's: an end is no nearer
    assert (low < moments[0] - half + 1e-7).all()
    assert (high > moments[0] + half - 1e-7).all()
    assert (n == N).all()


def test_labels_stand_with_their_evidence_and_filter_the_table(store: Store) -> None:
    first = rows(bodies(store)["heads-table"])[0]
    assert first.startswith("2.1")
    assert re.search(r"previous token .*previous 0\.8\d+ \[0\.8\d, 0\.8\d\], above 0\.5, n = 12", first)
    (only,) = rows(bodies(store, label="induction")["heads-table"])
    assert only.startswith("5.0")
    assert "n = 6" in only
    assert "No head has this label" in text_of(bodies(store, label="sink")["heads-table"])
    assert "Not measured in these runs" in text_of(bodies(store, experiment="seen", label="helps")["heads-table"])
    assert "helps –" in text_of(bodies(store, experiment="seen")["heads-table"])
    assert "No such label" in text_of(bodies(store, label="<b>")["heads-table"])


def test_the_table_is_sorted_and_paged(store: Store) -> None:
    first, second = (rows(bodies(store, sort="removal", page=page)["heads-table"]) for page in (0, 1))
    assert first[0].startswith("7.2")
    assert (len(first), len(second)) == (25, 5)
    assert rows(bodies(store, sort="removal", page=99)["heads-table"]) == second
    assert [row.split()[0] for row in rows(bodies(store, sort="layer")["heads-table"])[:4]] == [
        "0.0",
        "0.1",
        "0.2",
        "1.0",
    ]


def test_what_looks_important_stands_against_what_is(store: Store) -> None:
    body = bodies(store)["heads-matter"]
    (trace,) = figure(body).data
    made = results(ablated=True)
    sizes = np.stack([np.abs(result.attributions[0].scores) for result in made]).mean(0)
    looks = np.stack([np.abs(result.attributions[1].scores[:, :3]) for result in made]).mean(0)
    np.testing.assert_allclose(np.array(trace.y), sizes.reshape(-1), rtol=1e-5)
    np.testing.assert_allclose(np.array(trace.x), looks.reshape(-1), rtol=1e-5)
    assert "kind zero" in text_of(body)
    assert "Rank correlation over 30 heads" in text_of(body)


def test_without_removal_the_command_that_measures_it_is_said(store: Store) -> None:
    found = bodies(store, experiment="seen")
    assert "headscope run --prompts PROMPTS --model tiny --experiment seen --analyses head_ablation" in text_of(
        found["heads-matter"]
    )
    assert "No head was removed" in text_of(found["heads-matter"])


def test_the_statement_below_the_map_gives_its_numbers(store: Store) -> None:
    body = bodies(store, prompt_set="cats")["heads-map"]
    (statement,) = re.findall(r"SELECT layer.*?DESC", text_of(body))
    table = readonly.run(store.url, statement).table.to_pylist()
    (trace,) = figure(body).data
    for row in table:
        assert row["mean"] == pytest.approx(np.array(trace.z)[row["layer"], row["head"]], rel=1e-9)
        assert row["n"] == N


def test_a_selection_has_the_numbers_of_its_runs(store: Store) -> None:
    query = HeadsQuery.from_query("?experiment=removed&experiment=none&q=cat%20sat&f=text:ends_with:1")
    cards = {id_: heads.SCOPED.content(id_, Services(store), query)[0] for id_ in heads.SCOPED.cards}
    picked = [result for i, result in enumerate(results(ablated=True)) if i in {1, 11}]
    values = np.stack([result.heads.previous_token for result in picked]).astype(float)  # type: ignore[union-attr]
    (trace,) = figure(cards["heads-map"]).data
    np.testing.assert_allclose(np.array(trace.z), values.mean(0), rtol=1e-9)
    statement = text_of(cards["heads-map"]).partition("SELECT layer")[2].removesuffix(" Copy")
    for row in readonly.run(store.url, f"SELECT layer{statement}").table.to_pylist():
        assert row["mean"] == pytest.approx(values.mean(0)[row["layer"], row["head"]])
        assert row["n"] == 2
    assert query.page_of("tiny", 7, 2) in hrefs(cards["heads-table"])
    assert "with measured heads" not in text_of(list(cards.values()))


def test_of_very_many_selected_runs_the_newest_are_read(store: Store) -> None:
    class Short:
        """A store that reads one."""

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name) if name != "head_stats" else partial(store.head_stats, most=1)

    found = bodies(Short(), f="text:ends_with:1")
    for id_ in ("heads-map", "heads-table", "heads-matter"):
        assert "The newest 1 with measured heads, of 2 runs" in text_of(found[id_])
    assert "See the SQL" not in text_of(found["heads-map"])
    assert "The newest" not in text_of(bodies(Short(), f="text:contains:cat")["heads-map"])


def test_nothing_measured_and_a_broken_store(store: Store, tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "bare.duckdb")) as bare:
        made = replace(results(ablated=False)[0], heads=None)
        job = bare.start_job(experiment="removed", model="tiny", spec={}, total=1)
        bare.save(job, make_info("tiny"), make_set(made.prompt), [], 0, [made])
        found = bodies(bare)
    assert "No heads were measured here" in text_of(found["heads-map"])
    assert found["heads-table"] is None
    for body in bodies(BrokenStore(), head="0.0").values():
        assert "the file is damaged" in text_of(body)


def test_one_head_run_by_run(store: Store) -> None:
    body = bodies(store, head="5.0", stat="induction")["heads-one"]
    values = np.array([result.heads.induction[5, 0] for result in results(ablated=True)], float)  # type: ignore[union-attr]
    known = values[np.isfinite(values)]
    text = text_of(body)
    assert "Layer 5, head 0" in text
    assert "above 0.2, n = 6" in text
    (line,) = [row for row in rows(body) if row.startswith("Induction ") and not row.startswith("Induction lift")]
    assert f"{known.mean():.3f}" in line
    assert f"{np.median(known):.3f}" in line
    assert "1 of 30" in line
    low, high = (float(end.replace("−", "-")) for end in re.findall(r"\[([−\d.]+), ([−\d.]+)\]", line)[0])
    half = 2.5706 * known.std(ddof=1) / np.sqrt(6)  # Student's: no end is nearer, and the lower one of these is further
    assert low <= known.mean() - half + 0.001
    assert high >= known.mean() + half - 0.001
    tops = [row for row in rows(body) if row.startswith("The cat sat")]
    best = int(np.nanargmax(values))
    assert len(tops) == 6
    assert tops[0].split()[:4] == ["The", "cat", "sat", str(best)]
    histograms = figure(body).data
    assert {sum(trace.y) for trace in histograms} == {6, N}


@pytest.mark.parametrize("head", ["10.0", "0.3", "x", "1", "-1.0", "²." + "1"])
def test_a_head_that_is_not_there(store: Store, head: str) -> None:
    assert "from 0.0 to 9.2" in text_of(bodies(store, head=head)["heads-one"])


def test_no_head_is_looked_at_unless_asked(store: Store) -> None:
    assert bodies(store)["heads-one"] is None


def test_models_stand_side_by_side_and_like_heads_are_compared(tmp_path: Path) -> None:
    """The second model's head 2.1 does not look back; the others are the same."""
    made = results(ablated=False)
    other = [replace(one, heads=deepcopy(one.heads), result_key=one.result_key[::-1]) for one in made]
    for result in other:
        result.heads.previous_token[2, 1] = 0.1  # type: ignore[union-attr]
    with Store.open(str(tmp_path / "two.duckdb")) as both:
        for name, some in (("tiny", made), ("tuned", other)):
            job = both.start_job(experiment="removed", model=name, spec={}, total=N)
            both.save(job, make_info(name), make_set(*(one.prompt for one in some), name="cats"), [], 0, some)
        body = bodies(both, model="tuned")["heads-models"]
        text = text_of(body)
        first, second = [row for row in rows(body) if row.startswith("t")]
        assert first.split()[:1] == ["tiny"]
        assert "2.1  0.8" in first
        assert "2.1" not in second
        (top, *_) = [row for row in rows(body) if row[0].isdigit()]
        assert re.match(r"2\.1 0\.8\d\d 0\.100 \+0\.7\d\d \[0\.7\d\d, 0\.7\d\d\]", top)
        assert "correlation over 30 heads" in text
        assert len(figure(body).data) == 2


def test_one_model_has_nobody_beside_it(store: Store) -> None:
    assert bodies(store)["heads-models"] is None


def test_the_interval_of_a_share_stays_a_share() -> None:
    size = (1, 1)
    values = np.array([0.0] * 6 + [0.5])
    apart = values - values.mean()
    skewness = (apart**3).mean() / (apart**2).mean() ** 1.5
    numbers = (values.mean(), values.mean(), values.std(ddof=1), skewness, 0.0, 0.5)
    beyond = {"previous_token": False, "entropy": False, "induction_lift": False, "relp": True}
    for statistic, reaches in beyond.items():
        item = HeadMeans("m", statistic, "", "", np.full(size, 7), *(np.full(size, number) for number in numbers))
        assert (ends(item)[0].item() < 0) is reaches
