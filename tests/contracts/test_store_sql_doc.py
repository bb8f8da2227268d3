"""docs/sql.md and the store say the same, on both databases: every column is documented, every example runs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import headscope
from headscope.analysis.errors import StorageError
from headscope.analysis.types import LAYER_STATS, Prompt
from headscope.analysis.types.findings import ToxicityScore
from headscope.jobs.bias import BiasRequest, compare
from headscope.jobs.detection import detect, experiment_runs
from headscope.storage.columns.attributions import MASKED_CURVES
from headscope.storage.repository import Store
from headscope.storage.rows import RunDetail
from headscope.storage.sql import readonly
from tests.factories import make_attribution, make_failure, make_info, make_prompt, make_result, make_set

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = (DOCS / "sql.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
PYTHON = [
    block
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "notebook.md").read_text(), re.DOTALL)
    if "store.why(" not in block  # test_notebook_why runs it
]


def documented() -> dict[str, list[str]]:
    """Table or view -> its columns, in the order of the page."""
    sections = re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    return {name: re.findall(r"^\| (\w+) \|", body, re.MULTILINE)[1:] for name, body in sections}


def run_detail(url: str, run_id: str) -> RunDetail:
    with Store.open(url) as store:
        return store.run(run_id)


@pytest.fixture(scope="module")
def filled_url(shared_store_url: str) -> str:
    """A store in which every example finds something."""
    prompts = [
        make_prompt("p0", "The cat sat on the mat", pair_id="one", group="cat", tags=("animals",)),
        make_prompt("p1", "The dog sat on the mat", pair_id="one", group="dog", tags=("animals",)),
        Prompt("p2", "", tags=("negation",)),
        make_prompt("p3", "The bird sat on the mat", pair_id=None, group=None),  # its target is a right answer
    ]
    results = [
        make_result(prompts[0], seed=1, evidence=True),
        make_result(prompts[1], seed=2),
        make_failure(prompts[2]),
        make_result(prompts[3], seed=3),
    ]
    results[0].heads.induction[0, 0] = 0.5
    results[0].layers.lens_rank[-1] = 1
    scores = tuple(
        ToxicityScore(part, "toxic", score, judge)
        for judge in ("minilm-toxicity-2", "linear-toxicity-1")
        for part, score in (("prompt", 0.1), ("continuation", 0.9))
    )
    results[0] = dataclasses.replace(results[0], findings=scores)
    with Store.open(shared_store_url) as store:
        job = store.start_job(experiment="demo", model="tiny", spec={}, total=4)
        store.save(job, make_info("smollm2-135m-instruct"), make_set(*prompts), ["heads"], 0, results)
        again = dataclasses.replace(make_result(prompts[0], seed=4), result_key="of another model", heads=None)
        other = store.start_job(experiment="other", model="tiny", spec={}, total=2)
        answer = make_result(prompts[3], seed=5)
        store.save(other, make_info("another"), make_set(*prompts), [], 0, [again, answer])
        detect(store, experiment_runs("demo"))
        compare(store, store, BiasRequest("demo"))
    return shared_store_url


def test_every_table_and_column_is_documented_and_there(filled_url: str) -> None:
    with Store.open(filled_url) as store:
        inspector = sa.inspect(store.engine)
        names = {*inspector.get_table_names(), *inspector.get_view_names()} - {"alembic_version"}
        found = {name: [column["name"] for column in inspector.get_columns(name)] for name in names}
    assert documented() == found


@pytest.mark.parametrize("query", QUERIES, ids=[query.strip().splitlines()[0][:40] for query in QUERIES])
def test_every_example_runs_and_finds_something(filled_url: str, query: str) -> None:
    result = readonly.run(filled_url, query)
    assert result.table.num_rows > 0
    assert not result.truncated


def test_the_notebook_examples_run(filled_url: str) -> None:
    values: dict[str, object] = {}
    exec("".join(PYTHON).replace('"headscope.duckdb"', repr(filled_url)), values)
    assert len(values["runs"]) == 3
    assert len(values["tokens"]) == 6
    assert len(values["heads"]) == 3 * 12
    assert values["attention"] is None
    assert values["bias"].group_a.tolist() == ["cat"]
    assert values["frame"].n[0] == 0
    assert set(values["beside"].n) == {0}
    assert values["flips"].empty
    assert values["board"].n_receipts.sum() == 2
    assert len(values["agreement"]) == 1
    assert len(values["stats"].query("statistic == 'entropy'")) == 12
    assert len(values["disputes"]) == 3
    assert set(values["head"].run_id) <= set(values["runs"].id)
    assert values["bins"].runs.sum() == 5
    assert values["together"].words[0] == 6
    assert values["page"].html.count("Plotly.newPlot(") >= 5


def test_views_give_null_for_what_was_not_measured(filled_url: str) -> None:
    with headscope.open(filled_url, frame="arrow") as store:
        run_id = store.runs(status="succeeded", sort="prompt_key").column("id")[0].as_py()
        tokens, heads = store.tokens(run_id), store.heads(run_id)
    detail = run_detail(filled_url, run_id)
    assert tokens.column("surprisal").to_pylist()[0] is None
    assert tokens.column("rank").to_pylist()[0] is None
    assert tokens.column("token").to_pylist() == list(detail.trace.tokens.texts)
    assert tokens.column("logprob").to_pylist()[1:] == detail.trace.logprobs[1:].tolist()
    assert tokens.column("char_end").to_pylist() == detail.trace.tokens.char_spans[:, 1].tolist()
    assert [heads.column("layer").to_pylist()[i] for i in (0, 3, 11)] == [0, 1, 3]
    assert heads.column("entropy").to_pylist() == detail.heads.entropy.reshape(-1).tolist()
    assert heads.column("induction").to_pylist() == [0.5] + [None] * 11
    assert heads.column("induction_lift").to_pylist() == [None] * 12
    assert heads.column("missing_mass").to_pylist() == detail.heads.missing_mass.reshape(-1).tolist()


def test_views_agree_with_the_arrays(filled_url: str) -> None:
    with headscope.open(filled_url, frame="arrow") as store:
        run_id = store.runs(status="succeeded", sort="prompt_key").column("id")[0].as_py()
        layers, lens, candidates = store.layers(run_id), store.lens(run_id), store.candidates(run_id)
        scores = store.attributions(run_id)
    detail = run_detail(filled_url, run_id)
    for name in LAYER_STATS:
        assert layers.column(name).to_pylist() == getattr(detail.layers, name).tolist(), name
    assert lens.column("top_prob").to_pylist() == detail.lens.top_probs.reshape(-1).tolist()
    assert lens.column("top_token").to_pylist()[6] == detail.lens.top_texts[1][0]
    assert lens.column("token").to_pylist()[6:12] == list(detail.trace.tokens.texts)
    assert candidates.column("logprob").to_pylist() == detail.trace.topk_logprobs.reshape(-1).tolist()
    assert candidates.column("candidate_rank").to_pylist()[19:21] == [20, 1]
    by_method = dict.fromkeys(scores.column("method").to_pylist())
    assert list(by_method) == ["input_x_gradient", "saliency"]
    assert scores.column("score").to_pylist()[6:] == detail.attributions[0].scores.tolist()


def test_views_of_attributions_agree_with_the_arrays(filled_url: str) -> None:
    with headscope.open(filled_url, frame="arrow") as store:
        run_id = store.runs(status="succeeded", sort="prompt_key").column("id")[0].as_py()
        cells, layers, receipts = store.cells(run_id), store.attribution_layers(run_id), store.receipts(run_id)
        relevance = store.attribution_heads(run_id)
    _, signed, _, heads, targets = run_detail(filled_url, run_id).attributions
    of = {
        name: [row for row in cells.to_pylist() if row["method"] == name and row["ordinal"] > 2]
        for name in ("head_ablation", "occlusion")
    }
    ablation, matrix = of["head_ablation"], of["occlusion"]
    assert [(row["a"], row["b"], row["score"]) for row in ablation] == [
        (layer, head, float(score)) for (layer, head), score in np.ndenumerate(heads.scores)
    ]
    assert {(row["axis_a"], row["axis_b"], row["axis_c"], row["c"], row["d"]) for row in ablation} == {
        ("layer", "head", None, None, None)
    }
    assert [(row["a"], row["b"], row["score"]) for row in matrix] == [
        (target, position, None if np.isnan(score) else float(score))
        for (target, position), score in np.ndenumerate(targets.scores)
    ]
    assert [row["score"] for row in layers.to_pylist()][1:] == signed.layer_scores.reshape(-1).tolist()[1:]
    assert layers.column("score")[0].as_py() is None
    assert layers.to_pylist()[7] | {"run_id": ""} == {
        "run_id": "", "method": "input_x_gradient", "target": " and", "foil": " but", "layer": 1, "position": 1,
        "token": " cat", "score": float(signed.layer_scores[1, 1]),
    }  # fmt: skip
    assert [(row["layer"], row["head"], row["score"]) for row in relevance.to_pylist()][1:] == [
        (layer, head, float(score)) for (layer, head), score in list(np.ndenumerate(signed.head_scores))[1:]
    ]
    assert receipts.column("verdict").to_pylist() == ["better than random and recency", "no better than random here"]
    assert receipts.column("recency_gain").to_pylist() == [0.5, 0.5]
    assert receipts.column("exact").to_pylist() == [True, True]
    assert receipts.column("sensitivity").to_pylist() == [None, None]
    assert receipts.column("text").to_pylist() == ["The cat sat on the mat"] * 2


def test_curves_of_every_masking_agree_with_the_arrays(filled_url: str) -> None:
    with headscope.open(filled_url, frame="arrow") as store:
        run_id = store.runs(status="succeeded", sort="prompt_key").column("id")[0].as_py()
        rows = store.removal_curves(run_id).to_pylist()
    expected = []
    for ordinal, item in enumerate(run_detail(filled_url, run_id).attributions):
        for curves in item.receipt.removal if item.receipt else ():
            for k, fraction in enumerate(item.receipt.fractions.tolist()):
                values = {name: float(getattr(curves, name)[k]) for name in MASKED_CURVES}
                expected.append((ordinal, item.method, curves.masking, fraction, values))
    assert len(rows) == len(expected) == 2 * 2 * 3
    for row, (*keys, values) in zip(rows, expected, strict=True):
        assert [row[name] for name in ("ordinal", "method", "masking", "fraction")] == keys
        assert {name: row[name] for name in values} == {
            name: None if np.isnan(value) else value for name, value in values.items()
        }


def test_cells_of_four_axes(filled_url: str) -> None:
    """The indexes of an attribution over layer, head, query and key, counted by hand."""
    scores = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    axes = ("layer", "head", "query", "key")
    wide = dataclasses.replace(make_attribution("attention_raw", scores), axes=axes)
    result = dataclasses.replace(make_result(make_prompt("wide"), seed=9), attributions=(wide,))
    with Store.open(filled_url) as store:
        job = store.start_job(experiment="wide", model="tiny", spec={}, total=1)
        store.save(job, make_info(), make_set(result.prompt), ["heads"], 0, [result])
    with headscope.open(filled_url, frame="arrow") as store:
        rows = store.cells(experiment="wide").to_pylist()
    assert [tuple(row[name] for name in "abcd") for row in rows] == list(np.ndindex(scores.shape))
    assert [row["score"] for row in rows] == list(range(120))


def test_a_notebook_writes_nothing(filled_url: str) -> None:
    with headscope.open(filled_url) as store:
        before = len(store.runs())
        with pytest.raises(StorageError):
            store.sql("DELETE FROM runs")
        assert len(store.runs()) == before
