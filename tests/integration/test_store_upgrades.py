"""What an older store holds is kept on the way up, and given back on the way down."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from headscope.analysis.types.outcome import NOTHING, Outcome
from headscope.analysis.types.receipts import Verdict
from headscope.migrations.v0001 import tables
from headscope.migrations.v0008 import search
from headscope.storage import session
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from headscope.storage.schema import versions
from tests.factories import make_attribution, make_info, make_prompt, make_receipt, make_result, make_set
from tests.integration.store_tables import execute, make_folder

pytestmark = pytest.mark.makes_stores

KEY = "01a20766-c10e-7000-82e3-32d23155c6e9"
SAMPLES = {
    "uuid": f"'{KEY}'", "text": "'x'", "integer": "1", "bigint": "1", "double": "0.5", "real": "1.5",
    "boolean": "true", "timestamp": "'2026-01-02 03:04:05'", "json": "'{}'",
}  # fmt: skip
"""SQL for a value of each type, on both databases."""
HELD = "the first token is held at its own embedding, so it has no score"
MISSING = "this model's vocabulary has no newline token"
TAKEN_APART = (
    ("saliency", {"norm": "l1"}, {"norm": "l1"}, NOTHING),
    ("integrated_gradients",
     {"baseline": "mean", "rule": "adaptive", "steps": 49, "baseline_missing": MISSING, "value_change": -1.5,
      "disagreement": 0.25, "converged": False, "not_explained": HELD},
     {"baseline": "newline", "rule": "adaptive"},
     Outcome(converged=False, steps=49, value_change=-1.5, error=0.25, not_explained=HELD,
             error_label="a coarser quadrature gives scores that differ by up to", remedy="more steps (max_steps)",
             facts={"baseline used": f"mean: {MISSING}"})),
    ("expected_gradients",
     {"samples": 1, "seed": 0, "value_change": 2.5, "standard_error": 0.5, "converged": True},
     {"samples": 1, "seed": 0},
     Outcome(converged=True, value_change=2.5, error=0.5, error_label="other draws move single scores by about",
             remedy="more samples (samples)")),
    ("attn_lrp", {"explains": "logit", "leak": 13.7, "position_term": 0.5, "bias_term": -0.25, "n_targets": 3}, {},
     Outcome(terms={"softmax leak": 13.7, "position embeddings": 0.5, "biases": -0.25},
             facts={"generated tokens": 3})),
    ("direct_logit_attribution",
     {"explains": "logit", "embedding_term": 1.5, "position_term": 0.5, "bias_term": -0.25}, {},
     Outcome(terms={"token embedding": 1.5, "position embeddings": 0.5, "biases": -0.25})),
    ("shapley_exact", {"unit": "word", "value_change": 0.0, "evaluations": 64}, {"unit": "word"},
     Outcome(steps=64, value_change=0.0)),
)  # fmt: skip
"""Method, its params as programs before schema 0009 wrote them, and what is read of them today."""


def count(url: str, table: str) -> int:
    engine = session.open_engine(url)
    with engine.connect() as connection:
        found: int = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
    engine.dispose()
    return found


def written(url: str) -> dict[str, str]:
    """`search_text` by the run's id."""
    engine = session.open_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT id, search_text FROM runs ORDER BY id").all()
    engine.dispose()
    return {str(key): text for key, text in rows}


def stored_params(url: str) -> list[object]:
    engine = session.open_engine(url)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT params FROM attributions ORDER BY ordinal").scalars().all()
    engine.dispose()
    return [json.loads(item) if isinstance(item, str) else item for item in found]


def filler(table: str) -> str:
    """An INSERT of one row with a value of its type in every column; every id is `KEY`."""
    values = []
    for item in tables.TABLES[table].split(","):
        name, kind = item.split()
        base = kind.rstrip("!?").removesuffix("[]")
        value = "'succeeded'" if name == "status" else SAMPLES[base]
        values.append(f"ARRAY[{value}]" if "[]" in kind else value)
    return f"INSERT INTO {table} VALUES ({', '.join(values)})"


def save_one(store: Store) -> tuple[str, ...]:
    """A result with receipts, saved as today."""
    result = make_result(make_prompt("new"), evidence=True)
    job = store.start_job(experiment="new", model="tiny", spec={}, total=1)
    return store.save(job, make_info(), make_set(result.prompt), ["heads"], 0, [result]).run_ids


def test_an_older_store_keeps_its_data_when_upgraded(empty_url: str) -> None:
    """A row in every table that version 0001 had, up to today's version, read, and down again."""
    make_folder(empty_url)
    versions.upgrade(empty_url, "0001")
    execute(empty_url, *(filler(table) for table in tables.TABLES))
    assert versions.upgrade(empty_url) == ("0001", versions.head())
    versions.differences(empty_url)
    with Store.open(empty_url) as store:
        detail = store.run(KEY)
        (kept,) = detail.attributions
        assert (kept.method, kept.scores.tolist(), kept.value) == ("x", [1.5], 0.5)
        assert (kept.layer_scores, kept.peak_bytes, kept.receipt) == (None, -1, None)
        assert detail.heads is not None
        assert detail.layers is not None
        assert np.isnan(detail.heads.missing_mass).all()
        assert np.isnan(detail.layers.lens_target_rank).all()
        assert detail.heads.missing_mass.shape == detail.heads.entropy.shape
        assert detail.target is not None
        assert detail.target.quantity == "logprob"
        (new,) = save_one(store)
        assert store.run(new).attributions[0].receipt is not None
    versions.downgrade(empty_url, "0001")
    for table in tables.TABLES:
        assert count(empty_url, table) >= 1, table
    assert versions.upgrade(empty_url) == ("0001", versions.head())
    with Store.open(empty_url) as store:
        assert store.run(KEY).row == detail.row


def test_an_upgraded_store_is_searched_without_accents(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written of the runs that are there, a batch at a time, and taken back."""
    monkeypatch.setattr(search, "ROWS", 2)
    texts = ("Café", "CAFE\u0301 \u30ac", "plain", "日本", "Αθήνας", "Ångström")
    make_folder(empty_url)
    versions.upgrade(empty_url, "0001")
    ids = [f"{KEY[:-1]}{number}" for number in range(len(texts))]
    for table in set(tables.TABLES) - {"runs", "run_details"}:
        execute(empty_url, filler(table))
    for key, text in zip(ids, texts, strict=True):
        execute(
            empty_url,
            *(filler(table).replace(KEY, key, 1) for table in ("runs", "run_details")),
            f"UPDATE runs SET text = '{text}', target = NULL, search_text = '{text.lower()}\nx\nx' WHERE id = '{key}'",
        )
    before = written(empty_url)
    versions.upgrade(empty_url)
    found = [text.removesuffix("\nx\nx") for text in written(empty_url).values()]
    assert found == ["cafe", "cafe \u30ac", "plain", "日本", "αθηνασ", "angstrom"]
    with Store.open(empty_url) as store:
        for value, expected in (("cafe", 2), ("CAFÉ", 2), ("αθηνας", 1), ("ANGSTROM", 1), ("日", 1)):
            assert store.runs_page(RunFilter(search=value)).total == expected, value
    versions.downgrade(empty_url, "0007")
    assert written(empty_url) == before


def test_what_came_out_of_a_method_is_taken_out_of_its_params_and_put_back(empty_url: str) -> None:
    make_folder(empty_url)
    versions.upgrade(empty_url, "0001")
    execute(empty_url, *(filler(table) for table in set(tables.TABLES) - {"attributions"}))
    for ordinal, (method, params, _, _) in enumerate(TAKEN_APART):
        said = json.dumps(params).replace("'", "''")
        row = filler("attributions").replace(", 1,", f", {ordinal},", 1).replace("'x'", f"'{method}'", 1)
        execute(empty_url, row.replace("'{}'", f"'{said}'"))
    versions.upgrade(empty_url)
    with Store.open(empty_url) as store:
        found = [(one.method, one.params, one.outcome) for one in store.run(KEY).attributions]
        assert found == [(method, params, said) for method, _, params, said in TAKEN_APART]
        with store.engine.connect() as connection:
            cells = connection.exec_driver_sql("SELECT DISTINCT method, converged FROM v_attribution_cells").all()
        assert set(cells) == {(method, said.converged) for method, _, _, said in TAKEN_APART}
    versions.downgrade(empty_url, "0008")
    engine = session.open_engine(empty_url)
    with engine.connect() as connection:
        views = connection.exec_driver_sql("SELECT DISTINCT method, converged FROM v_attribution_cells").all()
    engine.dispose()
    assert set(views) == set(cells)
    assert stored_params(empty_url) == [old for _, old, _, _ in TAKEN_APART]
    versions.upgrade(empty_url)
    versions.downgrade(empty_url, "0001")  # in one transaction with other changes of the table
    assert stored_params(empty_url) == [old for _, old, _, _ in TAKEN_APART]


def test_verdicts_go_back_to_the_words_of_before_and_stay_when_recency_was_not_measured(empty_url: str) -> None:
    """The words of 0010 are read as they are; those of 0011 that it did not know become what its rule says of p."""
    said = [(Verdict.BETTER, 0.01), (Verdict.BETTER_THAN_RANDOM, 0.01), (Verdict.NO_BETTER, 0.5),
            (Verdict.NOT_CONVERGED, 0.01), (Verdict.NOT_CONVERGED, 0.5), (Verdict.UNMEASURED, np.nan)]  # fmt: skip
    receipts = [make_receipt(verdict=verdict, p_value=p) for verdict, p in said]
    result = make_result()
    found = tuple(replace(make_attribution("saliency", np.ones(6)), receipt=receipt) for receipt in receipts)
    with Store.open(empty_url) as store:
        job = store.start_job(experiment="e", model="tiny", spec={}, total=1)
        saved = replace(result, attributions=found)
        (run_id,) = store.save(job, make_info(), make_set(result.prompt), ["receipts"], 0, [saved]).run_ids
    versions.downgrade(empty_url, "0010")
    versions.upgrade(empty_url)
    better, no_better = Verdict.UNCOMPARED, Verdict.NO_BETTER
    with Store.open(empty_url) as store:
        now = [item.receipt for item in store.run(run_id).attributions]
        assert [one.verdict for one in now] == [better, better, no_better, better, no_better, Verdict.UNMEASURED]
        assert {(one.unit, one.exact, one.second_baseline, one.removal) for one in now} == {("token", False, "", ())}
        assert np.isnan([[one.recency_gain, one.shapley_top1, one.shapley_tau, one.baseline_tau] for one in now]).all()
        assert [one.gain for one in now] == [one.gain for one in receipts]
        assert store.check() == []
