"""What SQL users see of counterfactual pairs and what the Bias page works out are the same, on both databases."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, replace

import pytest
import sqlalchemy as sa

import headscope
from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.statistics.counterfactual import OTHERS, by_template, contrasts
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ToxicityScore
from headscope.dashboard.pages.bias.query import offensive_wordings
from headscope.jobs.bias import BiasRequest, as_json, compare, from_json
from headscope.jobs.detection import experiment_runs
from headscope.storage.repository import Store
from headscope.storage.sql import readonly
from tests.cli import headscope as command
from tests.factories import make_failure, make_info, make_result, make_set

TWO = [
    Prompt(f"two-{i}-{group}", f"The {group} cook {i} was", target, " rude", group, f"two {i}",
           ("age", "work", f"template:t{i % 6}") if i < 6 else ("age", "context:4"))
    for i in range(8)
    for group in ("young", "Old")  # the alphabet of databases may put `Old` behind
    for target in ([None] if (i, group) == (7, "Old") else [" kind"])
]  # fmt: skip
THREE = [
    Prompt(f"three-{i}-{group}", f"A {group} pilot {i} said", " yes", " no", group, f"three {i}", ("origin",))
    for i in range(3)
    for group in ("éire", "Zaire", "angola")[: 2 if i == 2 else 3]
]
MORE = [
    Prompt("twice", "An Old cook 0 is", " kind", " rude", "Old", "two 0", ("age", "work", "template:t0")),
    Prompt("untagged a", "He spoke", " yes", " no", "he", "bare", ()),
    Prompt("untagged b", "She spoke", " yes", " no", "she", "bare", ()),
    Prompt("alone", "The other cook", " kind", " rude", "Old", "single", ("age",)),
]
NAMES = "model, prompt_set, pair_id, group_a, group_b"


@pytest.fixture(scope="module")
def url(shared_store_url: str) -> str:
    """Two models on pairs of two and of three groups, one group twice, one not measured, one failed."""
    prompts = [*TWO, *THREE, *MORE]
    failed = Prompt("failed", "The lost one", " kind", " rude", "young", "single", ("age",))
    with Store.open(shared_store_url) as store:
        for number, model in enumerate(("tiny", "small")):
            job = store.start_job(experiment="people", model=model, spec={}, total=len(prompts) + 1)
            results = [
                replace(make_result(prompt, seed=100 * number + i),
                        findings=(ToxicityScore("continuation", "toxic", 0.25 + 0.01 * i, "judge-1"),))
                for i, prompt in enumerate(prompts)
            ]  # fmt: skip
            chosen = make_set(*prompts, failed, name="manners")
            store.save(job, make_info(model), chosen, [], 0, [*results, make_failure(failed)])
        other = store.start_job(experiment="others", model="tiny", spec={}, total=2)
        store.save(other, make_info("tiny"), make_set(*TWO[:2], name="manners"), [], 0,
                   [make_result(prompt, seed=i) for i, prompt in enumerate(TWO[:2])])  # fmt: skip
    return shared_store_url


def rows_of(url: str, statement: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = readonly.run(url, statement).table.to_pylist()
    return found


@pytest.mark.parametrize("measure", ["margin", "loglik"])
def test_the_mean_of_the_view_is_the_effect_of_the_page(url: str, measure: str) -> None:
    with Store.open(url) as store:
        rows = contrasts(store.pair_runs(experiment_runs("people"), measure).members)
    assert {row.b for row in rows} == {"young", "éire", "she", OTHERS}
    assert len(rows) == 2 * 7
    assert {row.attribute for row in rows} == {"age", "work", "origin", ""}
    for row in rows:
        tag = "coalesce(array_length(tags, 1), 0) = 0" if not row.attribute else f"'{row.attribute}' = ANY(tags)"
        (found,) = rows_of(
            url,
            f"""
            SELECT avg(difference) AS mean, count(*) AS n, count(run_id_b) AS n_b, min(n_groups) AS n_groups
            FROM v_bias WHERE experiment = 'people' AND measure = '{measure}' AND model = '{row.model}'
            AND prompt_set = '{row.prompt_set}' AND group_a = '{row.a}' AND group_b = '{row.b}' AND {tag}""",
        )
        assert found["mean"] == pytest.approx(row.effect.mean, rel=1e-9)
        assert found["n"] == row.effect.n
        assert found["n_b"] == (0 if row.b == OTHERS else row.effect.n)
        assert (found["n_groups"] > 2) == (row.b == OTHERS)  # type: ignore[operator]
    assert rows_of(url, f"SELECT count(*) AS n FROM v_bias WHERE measure = '{measure}' AND experiment = 'people'") == [
        {"n": sum(row.effect.n for row in rows if row.attribute != "work")}
    ]


def test_each_pair_of_the_view_is_that_of_the_page(url: str) -> None:
    with Store.open(url) as store:
        rows = contrasts(store.pair_runs(experiment_runs("people"), "margin").members, pooled=True)
    of_page = {
        (row.model, row.prompt_set, pair.pair_id, row.a, row.b): (
            pair.a_run, None if row.b == OTHERS else pair.b_run, pair.a_value, pair.b_value, pair.difference)
        for row in rows for pair in row.pairs
    }  # fmt: skip
    values = "CAST(run_id_a AS VARCHAR) AS a, CAST(run_id_b AS VARCHAR) AS b, value_a, value_b, difference"
    found = rows_of(url, f"SELECT {NAMES}, {values} FROM v_bias WHERE experiment = 'people' AND measure = 'margin'")
    in_view = {tuple(list(row.values())[:5]): tuple(list(row.values())[5:]) for row in found}
    assert in_view.keys() == of_page.keys()
    for key, expected in of_page.items():
        assert in_view[key][:2] == expected[:2]
        assert in_view[key][2:] == pytest.approx(expected[2:])
    kept = rows_of(url, "SELECT DISTINCT tags, wording FROM v_bias WHERE pair_id IN ('two 0', 'two 6', 'bare') "
                        "AND experiment = 'people' ORDER BY wording")  # fmt: skip
    assert {(tuple(row["tags"]), row["wording"]) for row in kept} == {  # type: ignore[arg-type]
        (("age", "work"), "t0"), (("age",), None), ((), None)}  # fmt: skip


def test_effects_are_kept_with_their_warrant_and_replaced(url: str) -> None:
    with Store.open(url) as store:
        margin = compare(store, store, BiasRequest("people"))
        assert compare(store, store, BiasRequest("people")) == margin
        assert from_json(as_json(margin)) == margin
        toxicity = compare(store, store, BiasRequest("people", "toxicity"))
        assert store.check() == []
        for unknown in (BiasRequest("nobody"), BiasRequest("people", "kindness")):
            with pytest.raises(UnknownNameError):
                compare(store, store, unknown)
    assert (toxicity.judge, toxicity.runs, toxicity.of_runs) == ("judge-1", toxicity.of_runs, toxicity.runs)
    kept = rows_of(url, "SELECT * FROM v_bias_effects WHERE experiment = 'people'")
    assert len(kept) == len(margin.rows) + len(toxicity.rows)
    key = ("measure", "model", "prompt_set", "attribute", "group_a", "group_b")
    by_key = {tuple(row[name] for name in key): row for row in kept}
    for row in (*margin.rows, *toxicity.rows):
        said = asdict(row)
        found = by_key[tuple(said[name] for name in key)]
        assert {name: found[name] for name in said} == pytest.approx(said)
        assert found["code_version"] == CODE_VERSION
        assert found["judge"] == ("judge-1" if row.measure == "toxicity" else "")
        assert found["runs"] == found["of_runs"]
    assert {row["p"] is None for row in kept} == {False, True}


@pytest.mark.parametrize("measure", ["margin", "loglik", "toxicity"])
def test_a_notebook_works_out_the_same(url: str, measure: str) -> None:
    with Store.open(url) as store:
        table = compare(store, store, BiasRequest("people", measure))
    with headscope.open(url, frame="arrow") as book:
        assert book.bias("people", measure=measure).to_pylist() == [asdict(row) for row in table.rows]
        (one,) = {row["model"] for row in book.bias("people", measure=measure, model="tiny").to_pylist()}
        assert {row["attribute"] for row in book.bias("people", measure=measure, pooled=True).to_pylist()} == {"all"}
        assert book.bias("nobody").num_rows == 0
        with pytest.raises(UnknownNameError):
            book.bias("people", measure="kindness")
    assert one == "tiny"


def test_the_command_prints_and_keeps_the_table(url: str) -> None:
    done = command("bias", "--experiment", "people", "--store", url)
    assert done.returncode == 0, done.stderr
    assert "14 rows kept in bias_results" in done.stderr
    assert "of 14 contrasts are marked" in done.stdout
    assert "Old - young" in done.stdout
    assert "no interval and no p from fewer than 5" in done.stdout
    listed = command("bias", "--experiment", "people", "--measure", "toxicity", "--store", url, "--csv")
    rows = list(csv.DictReader(io.StringIO(listed.stdout)))
    assert {row["measure"] for row in rows} == {"toxicity"}
    with Store.open(url) as store, store.engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT count(*) FROM bias_results WHERE measure = 'toxicity'")).scalar()
    assert len(rows) == kept
    none = command("bias", "--experiment", "others", "--measure", "toxicity", "--store", url)
    assert (none.returncode, none.stdout) == (0, "")
    assert "others has no pairs with toxicity" in none.stderr
    unknown = command("bias", "--experiment", "nobody", "--store", url)
    assert unknown.returncode == 1
    assert "people" in unknown.stderr


def test_a_named_wording_that_is_offensive_is_found_by_what_the_page_shows(url: str) -> None:
    with Store.open(url) as store:
        (row,) = contrasts(store.pair_runs(experiment_runs("others"), "margin").members, pooled=True)
        (shown, _, n) = by_template(row.pairs)[0]
        assert (row.pairs[0].template, n, dict(offensive_wordings(store, row.pairs))) == ("t0", 1, {})
        score = ToxicityScore("prompt", "toxic", 0.99, "minilm-toxicity-2")
        store.save_scores(score.classifier, {row.pairs[0].b_run: (score,)})
        assert set(offensive_wordings(store, row.pairs)) == {shown}
