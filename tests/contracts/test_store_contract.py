"""What `headscope.storage.interfaces` promises of what is written and read, on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from headscope.analysis.errors import StorageError, UnknownNameError
from headscope.analysis.types import Progress, RunStatus
from headscope.analysis.types.receipts import Verdict
from headscope.jobs.verification import compare
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunFilter
from headscope.storage.sinks import ResultSink
from tests.factories import (
    NAN,
    make_attribution,
    make_failure,
    make_info,
    make_prompt,
    make_receipt,
    make_result,
    make_set,
)
from tests.filled_store import NASTY, Filled, OnEachDatabase, assert_same


class TestStore(OnEachDatabase):
    def test_is_both_protocols(self, filled: Filled) -> None:
        reader: RunReader = filled.store
        sink: ResultSink = filled.store
        assert reader.url
        assert sink.find_results([]) == {}

    def test_empty_store(self, filled: Filled) -> None:
        store = filled.store
        assert store.runs_page(RunFilter()).rows == ()
        assert store.runs_page(RunFilter()).total == 0
        assert store.facets(RunFilter(), ["model", "tags"]) == {"model": (), "tags": ()}
        assert store.experiments() == ()
        assert store.overview().status_counts == {}
        assert store.jobs() == ()
        assert store.unfinished_jobs() == ()
        assert store.runs(["nonsense", "0" * 32]) == ()
        assert store.check() == []

    def test_round_trip_of_everything(self, filled: Filled) -> None:
        result = make_result(make_prompt(text="One 日本 👩🏽‍🚀 two"), attention=True)
        (run_id,) = filled.save(result)
        detail = filled.store.run(run_id)
        for name in ("target", "trace", "heads", "layers", "lens", "attributions", "continuation"):
            assert_same(getattr(result, name), getattr(detail, name), name)
        assert detail.result_key == result.result_key
        assert detail.capsule == result.capsule
        assert detail.analyses == ("heads", "layers")
        assert detail.seed == 3
        assert detail.model == make_info()
        attention = filled.store.attention(run_id)
        assert attention is not None
        assert_same(result.attention, attention)
        assert detail.artifacts[0].shape == result.attention.shape
        assert detail.artifacts[0].encoding == "tril-f16"

    def test_runs_read_together_are_the_runs_read_one_by_one(self, filled: Filled) -> None:
        made = [
            make_result(make_prompt(f"p{i}", f"text {i}"), seed=i, attention=i != 1, evidence=True) for i in range(3)
        ]
        ids = [*filled.save(*made), *filled.save(make_failure(make_prompt("lost")))]
        asked = [ids[2], "nonsense", ids[3], "0" * 32, ids[0], ids[2].upper(), ids[1]]
        found = filled.store.details(asked)
        assert [run.row.id for run in found] == [ids[2], ids[3], ids[0], ids[1]]
        for run in found:
            alone = filled.store.run(run.row.id)
            for field in dataclasses.fields(run):
                assert repr(getattr(run, field.name)) == repr(getattr(alone, field.name)), field.name
        assert_same(made[2].attributions, found[0].attributions, "attributions")
        assert any(item.receipt for item in made[2].attributions)
        (bare,) = filled.store.details([ids[2]], evidence=False)
        assert [(item.method, item.receipt) for item in bare.attributions] == [
            (item.method, None) for item in made[2].attributions
        ]
        assert_same(made[0].trace, found[2].trace, "trace")
        assert filled.store.details([]) == filled.store.details(["nonsense", "0" * 32]) == ()

    def test_a_run_is_written_again_under_its_id_when_that_is_asked_for(self, filled: Filled) -> None:
        old = make_result(attention=True)
        new = dataclasses.replace(make_result(seed=5, attention=True), result_key=old.result_key)
        (run_id,) = filled.save(old)
        filled.store.triage(run_id, "quiet", "confirmed", "seen", (), "me")
        sets, model, job = make_set(old.prompt), make_info(), filled.job()
        assert filled.store.find_results([old.result_key], job) == {}
        assert filled.store.save(job, model, sets, ["heads"], 3, [new]).run_ids == (run_id,)
        assert_same(filled.store.run(run_id).heads, old.heads)
        assert filled.store.save(job, model, sets, ["heads"], 3, [new], replace_old=True).run_ids == (run_id,)
        assert_same(filled.store.run(run_id).heads, new.heads)
        assert_same(new.attention, filled.store.attention(run_id))
        assert filled.store.runs_page(RunFilter()).total == 1
        assert filled.store.find_results([old.result_key], job) == {old.result_key: run_id}
        assert filled.store.check() == []

    def test_attributions_with_their_evidence_round_trip(self, filled: Filled) -> None:
        """Receipts, layers, memory, scores over any axes, and the explained logit."""
        result = make_result(evidence=True)
        result = dataclasses.replace(result, target=dataclasses.replace(result.target, quantity="logit"))
        (run_id,) = filled.save(result)
        detail = filled.store.run(run_id)
        assert_same(result.attributions, detail.attributions)
        assert_same(result.target, detail.target)
        unsigned, signed, failed, *others = detail.attributions
        assert (unsigned.peak_bytes, signed.peak_bytes, failed.peak_bytes) == (3_000_000_000, 0, -1)
        assert [item.receipt for item in (failed, *others)] == [None] * 3
        assert [curves.masking for curves in unsigned.receipt.removal] == ["newline", "delete"]  # in the order asked
        assert filled.store.check() == []
        assert not any(found.differs for found in compare(detail, result, lambda: None))
        old = result.attributions[0].receipt
        masked = dataclasses.replace(old.removal[1], recency_deletion=old.removal[1].recency_deletion + 1)
        for removal, said in (((old.removal[0], masked), 1.0), (old.removal[:1], np.nan)):
            item = dataclasses.replace(result.attributions[0], receipt=dataclasses.replace(old, removal=removal))
            other = dataclasses.replace(result, attributions=(item, *result.attributions[1:]))
            (found,) = [found for found in compare(detail, other, lambda: None) if found.differs]
            assert found.kind == "receipts: saliency"
            assert found.largest == pytest.approx(said, nan_ok=True) or found.note == "removal: '2' is now '1'"

    def test_what_a_receipt_did_not_measure_is_null(self, filled: Filled) -> None:
        nothing = make_receipt(
            NAN,
            verdict=Verdict.UNMEASURED,
            error=NAN,
            random_gain=NAN,
            p_value=NAN,
            seconds=NAN,
            second_baseline="",
            removal=(),
        )
        bare = dataclasses.replace(make_attribution("saliency", np.ones(6)), receipt=nothing)
        (run_id,) = filled.save(dataclasses.replace(make_result(), attributions=(bare,)))
        with filled.store.engine.connect() as connection:
            row = connection.exec_driver_sql("SELECT * FROM attribution_receipts").mappings().one()
        assert {name for name in row if row[name] is None} == {
            "gain", "comprehensiveness", "error", "random_gain", "p_value", "sensitivity", "randomisation", "seconds",
            "second_baseline",
        }  # fmt: skip
        assert_same((bare,), filled.store.run(run_id).attributions)

    def test_headline_numbers(self, filled: Filled) -> None:
        result = make_result()
        (run_id,) = filled.save(result)
        row = filled.store.run(run_id).row
        assert filled.store.runs([run_id]) == (row,)
        surprisal = -float(np.mean(result.trace.logprobs[1:].astype(np.float64)))
        assert row.mean_surprisal == pytest.approx(surprisal, rel=1e-12)
        assert row.perplexity == pytest.approx(np.exp(surprisal), rel=1e-12)
        assert row.n_tokens == len(result.trace.tokens)
        assert row.next_token == " the"
        assert row.next_token_prob == pytest.approx(float(np.exp(result.trace.topk_logprobs[-1, 0])), rel=1e-6)
        assert (row.target, row.target_logprob, row.target_rank, row.margin) == (" and", -2.5, 4, 1.25)
        assert (row.tags, row.pair_id, row.group_name, row.prompt_set) == (("a", "b"), "pair", "g", "demo")
        assert (row.continuation, row.seconds, row.status) == (" and slept", 0.125, RunStatus.SUCCEEDED)
        assert abs(row.created_at - datetime.now(UTC)) < timedelta(minutes=1)

    def test_a_predicted_target_has_no_headline(self, filled: Filled) -> None:
        (run_id,) = filled.save(make_result(make_prompt(target=None, foil=None)))
        detail = filled.store.run(run_id)
        assert detail.target is not None
        assert detail.target.chosen == "predicted"
        assert (detail.row.target, detail.row.target_logprob, detail.row.target_rank) == (None, None, None)

    def test_one_token_has_no_surprisal(self, filled: Filled) -> None:
        (run_id,) = filled.save(make_result(make_prompt(text="x")))
        row = filled.store.run(run_id).row
        assert (row.n_tokens, row.mean_surprisal, row.perplexity) == (1, None, None)

    def test_parts_may_be_missing(self, filled: Filled) -> None:
        whole = make_result()
        bare = dataclasses.replace(whole, heads=None, layers=None, attributions=(), continuation=None, target=None)
        (run_id,) = filled.save(bare)
        detail = filled.store.run(run_id)
        assert (detail.heads, detail.layers, detail.continuation, detail.target) == (None, None, None, None)
        assert detail.attributions == ()
        assert_same(whole.lens, detail.lens)
        assert filled.store.attention(run_id) is None
        assert filled.store.check() == []

    def test_hostile_text_stays_what_it_was(self, varied: Filled) -> None:
        stored = {row.prompt_key: row.text for row in varied.store.runs_page(RunFilter()).rows}
        for index, text in enumerate(NASTY):
            assert stored[f"p{index}"] == text.replace("\u0000", "\u2400")

    def test_lone_surrogates_do_not_stop_a_batch(self, filled: Filled) -> None:
        good = make_prompt()
        result = dataclasses.replace(make_failure(good), prompt=make_prompt(text="bad \ud800 half"))
        saved = filled.store.save(filled.job(), make_info(), make_set(good), ["heads"], 0, [result])
        assert filled.store.run(saved.run_ids[0]).row.text == "bad \ufffd half"

    def test_failed_run(self, filled: Filled) -> None:
        (run_id,) = filled.save(make_failure(make_prompt(), kind="too_long"))
        detail = filled.store.run(run_id)
        assert (detail.row.status, detail.row.error_kind) == (RunStatus.FAILED, "too_long")
        assert "too_long" in (detail.row.error or "")
        assert (detail.trace, detail.heads, detail.row.n_tokens) == (None, None, None)
        assert filled.store.find_results([detail.result_key]) == {}
        assert filled.store.overview().failure_kinds == {"too_long": 1}

    def test_a_failed_run_is_replaced_by_the_next_try(self, filled: Filled) -> None:
        prompt = make_prompt()
        (first,) = filled.save(make_failure(prompt))
        (second,) = filled.save(make_failure(prompt))
        (third,) = filled.save(make_result(prompt))
        assert len({first, second, third}) == 3
        assert [row.id for row in filled.store.runs_page(RunFilter()).rows] == [third]
        assert filled.store.check() == []

    def test_a_failed_run_of_another_experiment_stays(self, filled: Filled) -> None:
        filled.save(make_failure(make_prompt()))
        filled.save(make_result(make_prompt()), experiment="second")
        assert filled.store.runs_page(RunFilter()).total == 2

    def test_the_same_result_is_never_doubled(self, filled: Filled) -> None:
        (first,) = filled.save(make_result())
        (again,) = filled.save(make_result())
        assert first == again
        assert filled.store.runs_page(RunFilter()).total == 1

    def test_two_prompts_with_one_text_are_two_runs(self, filled: Filled) -> None:
        ids = filled.save(make_result(make_prompt("p1")), make_result(make_prompt("p2")))
        assert len(set(ids)) == 2
        assert filled.keys() == {"p1", "p2"}

    def test_one_bad_result_undoes_the_batch(self, filled: Filled) -> None:
        good = make_result(make_prompt("good"))
        bad = dataclasses.replace(make_result(make_prompt("bad"), seed=1), status=SimpleNamespace(value="nonsense"))
        with pytest.raises(StorageError):
            filled.save(good, bad)
        assert filled.store.runs_page(RunFilter()).total == 0
        assert filled.store.check() == []

    def test_unknown_run_and_job(self, filled: Filled) -> None:
        for run_id in ("nonsense", "01a20766-c10e-7000-82e3-32d23155c6e9"):
            with pytest.raises(UnknownNameError, match="unknown run"):
                filled.store.run(run_id)
            with pytest.raises(UnknownNameError, match="unknown job"):
                filled.store.job(run_id)

    def test_the_same_weights_are_one_model(self, filled: Filled) -> None:
        filled.save(make_result(make_prompt("a"), seed=1), name="gpt2", weights="w")
        filled.save(make_result(make_prompt("b"), seed=2), name="my-folder", weights="w")
        (model,) = filled.store.overview().models
        assert (model.info.ref.name, model.n_runs) == ("gpt2", 2)

    def test_jobs(self, filled: Filled) -> None:
        store = filled.store
        first = store.start_job(experiment="e", model="tiny", spec={"prompts": [{"id": "ä"}], "x": None}, total=9)
        second = store.start_job(experiment="e", model="tiny", spec={}, total=1)
        store.report_job(first, Progress(9, 5, 1, 2, 3.0))
        job = store.job(first)
        assert (job.status, job.total, job.done, job.failed, job.cached) == (RunStatus.RUNNING, 9, 5, 1, 2)
        assert job.spec == {"prompts": [{"id": "ä"}], "x": None}
        assert job.finished_at is None
        store.finish_job(second, RunStatus.SUCCEEDED)
        assert [item.id for item in store.jobs()] == [second, first]
        assert [item.id for item in store.unfinished_jobs()] == [first]
        store.finish_job(first, RunStatus.FAILED, "no\x00memory")
        assert (store.job(first).error, store.job(first).status) == ("no\u2400memory", RunStatus.FAILED)
        assert store.job(first).finished_at is not None
        store.claim_job(first, RunStatus.RUNNING)
        store.report_job(first, Progress(9, 6, 1, 2, 3.0))
        assert (store.job(first).status, store.job(first).error) == (RunStatus.RUNNING, None)
        assert store.job(first).finished_at is None
        assert len(store.experiments()) == 1

    def test_saving_into_a_job_that_is_not_there(self, filled: Filled) -> None:
        with pytest.raises(UnknownNameError, match="unknown job"):
            filled.save(make_result(), job="01a20766-c10e-7000-82e3-32d23155c6e9")

    def test_numbers_json_cannot_hold(self, filled: Filled) -> None:
        capsule = {"nan": float("nan"), "array": np.arange(2), "path": Path("x"), 3: (1, None, True)}
        (run_id,) = filled.save(dataclasses.replace(make_result(), capsule=capsule))
        assert filled.store.run(run_id).capsule == {"nan": None, "array": [0, 1], "path": "x", "3": [1, None, True]}

    def test_attention_that_looks_ahead_is_kept_square(self, filled: Filled) -> None:
        attention = np.random.default_rng(0).random((2, 2, 5, 5)).astype(np.float16)
        (run_id,) = filled.save(dataclasses.replace(make_result(), attention=attention))
        assert_same(attention, filled.store.attention(run_id))
