"""One class for every database: what `headscope.storage.interfaces` promises, on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headscope.analysis.errors import InputError, StorageError, UnknownNameError
from headscope.analysis.receipts import Verdict
from headscope.analysis.types import Progress, Prompt, RunResult, RunStatus
from headscope.storage.interfaces import ResultSink, RunReader
from headscope.storage.repository import Store
from headscope.storage.rows import RUN_COLUMNS, Condition, FacetCount, RunFilter, Sort
from tests.factories import (
    NAN,
    make_attention,
    make_attribution,
    make_failure,
    make_info,
    make_prompt,
    make_receipt,
    make_result,
    make_set,
)

NASTY = (
    "100% of_it",
    "100 percent",
    "a'b\"c",
    "x'; DROP TABLE runs; --",
    "back\\slash",
    "emoji 👩🏽‍🚀 日本語 e\u0301",
    "UPPER lower",
    "line\nbreak\ttab",
    "q\u0000nul",
    "{curly} :colon %s $1 ?",
)


def assert_same(a: Any, b: Any, path: str = "") -> None:
    """Equal through dataclasses, tuples and arrays, NaN equal to NaN, dtypes included."""
    if dataclasses.is_dataclass(a):
        assert type(a) is type(b), path
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{path}.{field.name}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        np.testing.assert_array_equal(a, b, err_msg=path)
    elif isinstance(a, tuple):
        assert len(a) == len(b), path
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}[{index}]")
    elif isinstance(a, float) and np.isnan(a):
        assert np.isnan(b), path
    else:
        assert a == b, f"{path}: {a!r} != {b!r}"


class Filled:
    """A store and short ways to fill it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def job(self, experiment: str = "first", total: int = 1) -> str:
        return self.store.start_job(experiment=experiment, model="tiny", spec={"n": total}, total=total)

    def save(self, *results: RunResult, experiment: str = "first", job: str | None = None, **info: Any) -> list[str]:
        prompt_set = make_set(*(r.prompt for r in results))
        model = make_info(**info)
        saved = self.store.save(job or self.job(experiment), model, prompt_set, ["heads", "layers"], 3, results)
        return list(saved.run_ids)

    def texts(self, where: RunFilter = RunFilter(), sort: Sequence[Sort] = ()) -> list[str]:  # noqa: B008
        return [row.text for row in self.store.runs_page(where, sort).rows]

    def keys(self, *conditions: Condition, search: str = "") -> set[str]:
        return {row.prompt_key for row in self.store.runs_page(RunFilter(conditions, search)).rows}


class TestStore:
    """Runs once per database."""

    @pytest.fixture
    def filled(self, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filled]:
        monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "artifacts"))
        with Store.open(store_url) as store:
            yield Filled(store)

    @pytest.fixture(scope="module")
    def varied(self, shared_store_url: str) -> Iterator[Filled]:
        """Ten runs with hostile texts: p0 .. p9, half of them without target, one failed. Only to read."""
        with Store.open(shared_store_url) as store:
            yield self.vary(Filled(store))

    @staticmethod
    def vary(filled: Filled) -> Filled:
        results = []
        for index, text in enumerate(NASTY):
            tags = ("even", "all") if index % 2 == 0 else ("odd", "all")
            target = " and" if index % 2 == 0 else None
            prompt = make_prompt(f"p{index}", text, target=target, foil=None, tags=tags, group=None)
            results.append(make_result(prompt, seed=index) if index != 7 else make_failure(prompt))
        filled.save(*results)
        return filled

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
        assert store.overview().experiments == ()
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
        assert filled.store.check() == []

    def test_what_a_receipt_did_not_measure_is_null(self, filled: Filled) -> None:
        nothing = make_receipt(NAN, verdict=Verdict.UNMEASURED, error=NAN, random_gain=NAN, p_value=NAN, seconds=NAN)
        bare = dataclasses.replace(make_attribution("saliency", np.ones(6)), receipt=nothing)
        (run_id,) = filled.save(dataclasses.replace(make_result(), attributions=(bare,)))
        with filled.store.engine.connect() as connection:
            row = connection.exec_driver_sql("SELECT * FROM attribution_receipts").mappings().one()
        assert {name for name in row if row[name] is None} == {
            "gain", "comprehensiveness", "error", "random_gain", "p_value", "sensitivity", "randomisation", "seconds"
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

    def test_rows_come_in_the_order_asked(self, varied: Filled) -> None:
        ids = [row.id for row in varied.store.runs_page(RunFilter()).rows]
        wanted = [ids[4], "nonsense", ids[0], ids[2]]
        assert [row.id for row in varied.store.runs(wanted)] == [ids[4], ids[0], ids[2]]

    def test_newest_first(self, filled: Filled) -> None:
        for index in range(4):
            filled.save(make_result(make_prompt(f"p{index}", f"text {index}"), seed=index))
        assert filled.texts() == [f"text {index}" for index in (3, 2, 1, 0)]

    @pytest.mark.parametrize("column", RUN_COLUMNS)
    def test_every_column_sorts_both_ways_nulls_last(self, varied: Filled, column: str) -> None:
        pages = {}
        for descending in (False, True):
            rows = varied.store.runs_page(RunFilter(), [Sort(column, descending)]).rows
            assert len(rows) == len(NASTY)
            values = [getattr(row, column) for row in rows]
            present = [value for value in values if value is not None]
            assert values[len(present) :] == [None] * (len(values) - len(present))
            pages[descending] = present
        if column not in {"tags", "text", "prompt_key"}:
            assert pages[False] == sorted(pages[False])
            assert pages[True] == sorted(pages[True], reverse=True)

    @pytest.mark.parametrize(
        "sort", [(), (Sort("seconds"),), (Sort("target_rank", True),), (Sort("status"), Sort("text"))]
    )
    def test_pages_are_stable_and_complete(self, filled: Filled, sort: tuple[Sort, ...]) -> None:
        """Equal values everywhere: only the tie-break by id keeps pages apart, also when read from the far end."""
        results = [make_result(make_prompt(f"p{i}", f"text {i % 3}", target=" and" if i % 2 else None), seed=i)
                   for i in range(23)]  # fmt: skip
        filled.save(*results)
        whole = [row.id for row in filled.store.runs_page(RunFilter(), sort, 0, 100).rows]
        assert len(set(whole)) == 23
        paged: list[str] = []
        for offset in range(0, 30, 5):
            page = filled.store.runs_page(RunFilter(), sort, offset, 5)
            assert page.total == 23
            paged += [row.id for row in page.rows]
        assert paged == whole

    def test_offsets_past_the_end(self, varied: Filled) -> None:
        assert varied.store.runs_page(RunFilter(), (), 10, 5).rows == ()
        assert varied.store.runs_page(RunFilter(), (), 10_000_000, 5).rows == ()
        assert len(varied.store.runs_page(RunFilter(), (), 9, 5).rows) == 1
        assert varied.store.runs_page(RunFilter(), (), 0, 0).rows == ()

    @pytest.mark.parametrize(
        ("search", "expected"),
        [
            ("%", {"p0", "p9"}),
            ("_", {"p0", "p7"}),
            ("100%", {"p0"}),
            ("a'b\"c", {"p2"}),
            ("drop table", {"p3"}),
            ("\\", {"p4"}),
            ("日本語", {"p5"}),
            ("👩🏽‍🚀", {"p5"}),
            ("LOWER", {"p6"}),
            ("break\ttab", {"p7"}),
            ("too_long", {"p7"}),
            ("P4", {"p4"}),
            ("$1 ?", {"p9"}),
            (":colon", {"p9"}),
            ("nowhere", set()),
            ("   ", {f"p{i}" for i in range(10)}),
        ],
    )
    def test_search(self, varied: Filled, search: str, expected: set[str]) -> None:
        assert varied.keys(search=search) == expected

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Condition("text", "contains", "100%"), {"p0"}),
            (Condition("text", "contains", "UPPER LOWER"), {"p6"}),
            (Condition("text", "starts_with", "100"), {"p0", "p1"}),
            (Condition("text", "ends_with", "_it"), {"p0"}),
            (Condition("text", "eq", "a'b\"c"), {"p2"}),
            (Condition("text", "not_contains", "e"), {"p0", "p2", "p4", "p8", "p9"}),
            (Condition("text", "in", ("100% of_it", "nothing")), {"p0"}),
            (Condition("text", "in", ()), set()),
            (Condition("status", "eq", "failed"), {"p7"}),
            (Condition("status", "ne", "succeeded"), {"p7"}),
            (Condition("status", "eq", "x' OR '1'='1"), set()),
            (Condition("target", "is_null"), {"p1", "p3", "p5", "p7", "p9"}),
            (Condition("target", "not_null"), {"p0", "p2", "p4", "p6", "p8"}),
            (Condition("target", "ne", " and"), {"p1", "p3", "p5", "p7", "p9"}),
            (Condition("target", "not_contains", "and"), {"p1", "p3", "p5", "p7", "p9"}),
            (Condition("target_rank", "eq", 4), {"p0", "p2", "p4", "p6", "p8"}),
            (Condition("target_rank", "lt", 4), set()),
            (Condition("target_rank", "ge", "4"), {"p0", "p2", "p4", "p6", "p8"}),
            (Condition("target_rank", "lt", 4.5), {"p0", "p2", "p4", "p6", "p8"}),
            (Condition("target_logprob", "between", (-3, -2)), {"p0", "p2", "p4", "p6", "p8"}),
            (Condition("n_tokens", "is_null"), {"p7"}),
            (Condition("error_kind", "not_null"), {"p7"}),
            (Condition("tags", "eq", "odd"), {"p1", "p3", "p5", "p7", "p9"}),
            (Condition("tags", "contains", "all"), {f"p{i}" for i in range(10)}),
            (Condition("tags", "in", ("odd", "even")), {f"p{i}" for i in range(10)}),
            (Condition("tags", "in", ()), set()),
            (Condition("tags", "ne", "odd"), {"p0", "p2", "p4", "p6", "p8"}),
            (Condition("tags", "is_null"), set()),
            (Condition("created_at", "gt", "2020-01-01"), {f"p{i}" for i in range(10)}),
            (Condition("created_at", "lt", datetime(2020, 1, 1, tzinfo=UTC)), set()),
            (Condition("id", "eq", "nonsense"), set()),
            (Condition("experiment", "eq", "first"), {f"p{i}" for i in range(10)}),
            (Condition("group_name", "is_null"), {f"p{i}" for i in range(10)}),
        ],
    )
    def test_conditions(self, varied: Filled, condition: Condition, expected: set[str]) -> None:
        assert varied.keys(condition) == expected

    def test_text_is_found_however_its_letters_are_written(self, filled: Filled) -> None:
        """Accents, final sigma, dotted I, composed or not: by the search field and by the filters of columns alike."""
        texts = {"greek": "ΑΘΗΝΑΣ ΕΙΝΑΙ Η ΠΟΛΗ", "small": "της αθηνας τα νερα", "dotted": "İSTANBUL UZAK",
                 "nfc": "Caf\u00e9 noir", "nfd": "CAFE\u0301 NOIR", "other": "cafes (in Athens)",
                 "hindi": "\u0915\u093f\u0924\u093e\u092c", "kana": "\u30ac\u30e9\u30b9",
                 "parts": "\u30ab\u3099\u30e9\u30b9", "signs": "Œuvre ≠ 1 [a]"}  # fmt: skip
        results = [make_result(make_prompt(k, text, target=None, foil=text)) for k, text in texts.items()]
        filled.save(*results)
        for value, expected in (
            ("ΑΘΗΝΑΣ", {"greek", "small"}), ("Αθήνας", {"greek", "small"}), ("αθηνασ", {"greek", "small"}),
            ("İSTANBUL", {"dotted"}), ("I\u0307STANBUL", {"dotted"}), ("istanbul", {"dotted"}),
            ("cafe", {"nfc", "nfd", "other"}), ("caf\u00e9", {"nfc", "nfd", "other"}), ("çafe\u0301 Ñ", {"nfc", "nfd"}),
            ("\u0915\u093f\u0924", {"hindi"}), ("\u0915\u0924", set()), ("\u30ac\u30e9", {"kana", "parts"}),
            ("\u30ab\u3099\u30e9", {"kana", "parts"}), ("\u30ab\u30e9", set()), ("œuvre ≠", {"signs"}), ("=", set()),
            ("1 [Á]", {"signs"}), ("(IN", {"other"}), ("1 .a.", set()),
        ):  # fmt: skip
            assert filled.keys(search=value) == expected, value
            for name in ("text", "foil"):
                assert filled.keys(Condition(name, "contains", value)) == expected, (name, value)
                assert filled.keys(Condition(name, "not_contains", value)) == set(texts) - expected, (name, value)
        for name in ("text", "foil"):
            assert filled.keys(Condition(name, "starts_with", "Αθηνάς")) == {"greek"}
            assert filled.keys(Condition(name, "starts_with", "CÀFE")) == {"nfc", "nfd", "other"}
            assert filled.keys(Condition(name, "ends_with", "nóir")) == {"nfc", "nfd"}
            assert filled.keys(Condition(name, "ends_with", "uzak")) == {"dotted"}

    def test_names_are_found_without_accents(self, filled: Filled) -> None:
        filled.save(make_result(make_prompt("a")), experiment="Été")
        filled.save(make_result(make_prompt("b")), experiment="ete")
        for value in ("ete", "ÉTE", "e\u0301te\u0301"):
            assert filled.keys(Condition("experiment", "contains", value)) == {"a", "b"}
        assert filled.keys(Condition("experiment", "eq", "ete")) == {"b"}

    def test_a_text_too_long_to_look_for_is_said(self, filled: Filled) -> None:
        filled.save(make_result(make_prompt("a", "é" * 9_000, target=None, foil=None)))
        assert filled.keys(Condition("continuation", "contains", "é" * 10_000)) == set()
        assert filled.keys(Condition("text", "contains", "e" * 9_000)) == {"a"}
        with pytest.raises(InputError, match=r"text.*too long: 10,000 characters"):
            filled.keys(Condition("text", "contains", "é" * 10_001))

    def test_conditions_all_hold(self, varied: Filled) -> None:
        conditions = (Condition("tags", "eq", "even"), Condition("text", "contains", "o"))
        assert varied.keys(*conditions, search="%") == {"p0"}

    def test_id_and_its_beginning(self, varied: Filled) -> None:
        row = varied.store.runs_page(RunFilter()).rows[3]
        assert varied.keys(Condition("id", "eq", row.id)) == {row.prompt_key}
        assert row.prompt_key in varied.keys(Condition("id", "starts_with", row.id[:30]))

    @pytest.mark.parametrize("name", ["nope", "id; DROP TABLE runs", "search_text", "capsule_id", "runs.id", ""])
    def test_unknown_columns_are_refused(self, varied: Filled, name: str) -> None:
        with pytest.raises(UnknownNameError, match="unknown column"):
            varied.store.runs_page(RunFilter((Condition(name, "eq", 1),)))
        with pytest.raises(UnknownNameError, match="unknown column"):
            varied.store.runs_page(RunFilter(), [Sort(name)])
        with pytest.raises(UnknownNameError, match="unknown facet"):
            varied.store.facets(RunFilter(), [name])

    @pytest.mark.parametrize(
        "condition",
        [
            Condition("n_tokens", "eq", "many"),
            Condition("margin", "gt", None),
            Condition("created_at", "gt", "yesterday"),
            Condition("n_tokens", "contains", "1"),
            Condition("tags", "gt", "a"),
            Condition("margin", "between", (1,)),
            Condition("status", "in", "failed"),
        ],
    )
    def test_wrong_values_are_said(self, varied: Filled, condition: Condition) -> None:
        with pytest.raises(InputError, match=condition.column):
            varied.store.runs_page(RunFilter((condition,)))

    def test_unknown_operator(self, varied: Filled) -> None:
        with pytest.raises(UnknownNameError, match="unknown operator"):
            varied.store.runs_page(RunFilter((Condition("text", "= 1 OR 1", 1),)))

    def test_numbers_too_large_for_the_column(self, varied: Filled) -> None:
        assert varied.keys(Condition("target_rank", "lt", 10**30)) == {"p0", "p2", "p4", "p6", "p8"}
        assert varied.keys(Condition("target_rank", "gt", 10**30)) == set()

    def test_facets_count_under_the_other_conditions(self, varied: Filled) -> None:
        where = RunFilter((Condition("tags", "eq", "odd"), Condition("status", "eq", "succeeded")))
        found = varied.store.facets(where, ["tags", "status", "model", "error_kind"])
        assert found["tags"] == (FacetCount("all", 9), FacetCount("even", 5), FacetCount("odd", 4))
        assert found["status"] == (FacetCount("succeeded", 4), FacetCount("failed", 1))
        assert found["model"] == (FacetCount("tiny", 4),)
        assert found["error_kind"] == (FacetCount(None, 4),)

    def test_facets_follow_search_and_limit(self, varied: Filled) -> None:
        assert varied.store.facets(RunFilter(search="100"), ["tags"], limit=1)["tags"] == (FacetCount("all", 2),)

    def test_counts_follow_every_write(self, filled: Filled) -> None:
        for index in range(3):
            filled.save(make_result(make_prompt(f"p{index}", f"t{index}"), seed=index))
            assert filled.store.runs_page(RunFilter(), (), 0, 1).total == index + 1
            assert filled.store.facets(RunFilter(), ["status"])["status"] == (FacetCount("succeeded", index + 1),)
            assert filled.store.overview().status_counts == {"succeeded": index + 1}

    def test_overview(self, filled: Filled) -> None:
        varied = self.vary(filled)
        varied.save(make_result(make_prompt("other"), seed=99), experiment="second", name="big")
        overview = varied.store.overview(recent=3)
        assert overview.status_counts == {"succeeded": 10, "failed": 1}
        assert [(e.name, e.n_runs, e.n_succeeded, e.n_failed, e.models) for e in overview.experiments] == [
            ("second", 1, 1, 0, ("big",)),
            ("first", 10, 9, 1, ("tiny",)),
        ]
        assert [(m.info.ref.name, m.n_runs) for m in overview.models] == [("big", 1), ("tiny", 10)]
        assert sorted((s.name, s.n_prompts, s.n_runs) for s in overview.prompt_sets) == [
            ("demo", 1, 1),
            ("demo", 10, 10),
        ]
        assert len(overview.recent_runs) == 3
        assert overview.recent_runs[0].prompt_key == "other"
        assert [row.prompt_key for row in overview.recent_failures] == ["p7"]

    def test_the_same_weights_are_one_model(self, filled: Filled) -> None:
        filled.save(make_result(make_prompt("a"), seed=1), name="gpt2", weights="w")
        filled.save(make_result(make_prompt("b"), seed=2), name="my-folder", weights="w")
        (model,) = filled.store.overview().models
        assert (model.info.ref.name, model.n_runs) == ("gpt2", 2)

    def test_find_results_takes_many_keys(self, filled: Filled) -> None:
        results = [make_result(make_prompt(f"p{i}", f"t {i}"), seed=i) for i in range(5)]
        ids = filled.save(*results)
        keys = [r.result_key for r in results] + [f"no such key {i}" for i in range(1200)]
        assert filled.store.find_results(keys) == dict(zip(keys[:5], ids, strict=True))

    def test_reuse_copies_with_arrays(self, filled: Filled) -> None:
        result = make_result(make_prompt("old", tags=("old",)), attention=True, evidence=True)
        (source,) = filled.save(result)
        prompt = make_prompt("new", tags=("new", "tags"), group="other", pair_id=None)
        job = filled.job("second")
        assert filled.store.reuse(job, make_set(prompt, name="other set"), {"new": source}) == 1
        (row,) = filled.store.runs_page(RunFilter((Condition("experiment", "eq", "second"),))).rows
        assert row.id != source
        assert (row.prompt_key, row.tags, row.group_name, row.pair_id) == ("new", ("new", "tags"), "other", None)
        assert row.prompt_set == "other set"
        copy, original = filled.store.run(row.id), filled.store.run(source)
        for name in (
            "target",
            "trace",
            "heads",
            "layers",
            "lens",
            "attributions",
            "continuation",
            "artifacts",
            "capsule",
        ):
            assert_same(getattr(original, name), getattr(copy, name), name)
        assert_same(result.attention, filled.store.attention(row.id))
        assert filled.keys(search="new") == {"new"}
        assert filled.store.check() == []

    def test_reuse_leaves_what_the_experiment_has(self, filled: Filled) -> None:
        prompt = make_prompt()
        (source,) = filled.save(make_result(prompt))
        assert filled.store.reuse(filled.job("first"), make_set(prompt), {prompt.id: source}) == 1
        assert filled.store.runs_page(RunFilter()).total == 1
        for _ in range(2):
            assert filled.store.reuse(filled.job("second"), make_set(prompt), {prompt.id: source}) == 1
            assert filled.store.runs_page(RunFilter()).total == 2

    def test_reuse_replaces_a_failure(self, filled: Filled) -> None:
        prompt = make_prompt()
        (source,) = filled.save(make_result(prompt))
        filled.save(make_failure(prompt), experiment="second")
        filled.store.reuse(filled.job("second"), make_set(prompt), {prompt.id: source})
        rows = filled.store.runs_page(RunFilter((Condition("experiment", "eq", "second"),))).rows
        assert [row.status for row in rows] == [RunStatus.SUCCEEDED]

    def test_reuse_of_a_run_that_is_gone(self, filled: Filled) -> None:
        hits = {"p1": "01a20766-c10e-7000-82e3-32d23155c6e9"}
        assert filled.store.reuse(filled.job(), make_set(make_prompt("p1")), hits) == 0

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
        assert len(store.overview().experiments) == 1

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

    def test_missing_and_damaged_artifacts_are_said(self, filled: Filled, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        results = [
            dataclasses.replace(make_result(make_prompt(f"p{i}"), seed=i), attention=make_attention((2, 2), 6, rng))
            for i in range(2)
        ]
        missing, damaged = filled.save(*results)
        folder = tmp_path / "artifacts"
        (folder / filled.store.run(missing).artifacts[0].key).unlink()
        path = folder / filled.store.run(damaged).artifacts[0].key
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
        with pytest.raises(StorageError, match="its file is lost"):
            filled.store.attention(missing)
        with pytest.raises(StorageError, match="damaged"):
            filled.store.attention(damaged)
        problems = filled.store.check()
        assert len(problems) == 2
        assert any(missing in line for line in problems)
        assert any("checksum" in line for line in problems)

    @pytest.mark.parametrize(
        ("damage", "expected"),
        [
            ("DELETE FROM token_traces", "has no token trace"),
            ("DELETE FROM run_details", "has no details"),
            ("DELETE FROM experiments", "which is not in experiments"),
            ("DELETE FROM capsules", "which is not in capsules"),
            ("DELETE FROM runs", "attributions: rows of run"),
            ("UPDATE head_summaries SET n_heads = n_heads + 1", "head_summaries.induction"),
            ("UPDATE token_traces SET n_candidates = 3", "token_traces.candidate_ids"),
            ("UPDATE layer_summaries SET n_positions = 3", "layer_summaries.residual_norms"),
            ("UPDATE attributions SET shape = ARRAY[2, 2]", "its shape says 4"),
            ("UPDATE attributions SET layer_shape = ARRAY[2, 2]", "attributions.layer_scores"),
            ("UPDATE attribution_receipts SET deletion = ARRAY[1.0]", "has 1 elements for 3 fractions"),
            ("DELETE FROM runs", "attribution_receipts: rows of run"),
            ("UPDATE run_facets SET model = 'other'", "other values than its row of run_facets"),
        ],
    )
    def test_check_finds_damage(self, filled: Filled, damage: str, expected: str) -> None:
        filled.save(make_result(evidence=True))
        assert filled.store.check() == []
        with filled.store.engine.begin() as connection:
            connection.exec_driver_sql(damage)
        assert any(expected in problem for problem in filled.store.check())

    @pytest.mark.thorough
    def test_one_writer_and_twenty_readers(self, filled: Filled) -> None:
        """Every reader sees whole batches only, and counts that never go back."""
        batches, size, errors = 4, 3, []
        done = threading.Event()

        def read() -> None:
            seen = 0
            try:
                while not done.is_set():
                    page = filled.store.runs_page(RunFilter(), [Sort("text")], 0, 50)
                    assert page.total % size == 0
                    assert page.total >= seen
                    assert len(page.rows) == page.total
                    seen = page.total
                    for row in page.rows[:2]:
                        detail = filled.store.run(row.id)
                        assert detail.trace is not None
                        assert detail.row.text == detail.trace.tokens.text == row.text
                        assert len(detail.attributions) == 3
                    filled.store.facets(RunFilter(), ["status", "tags"])
                    time.sleep(0.05)
            except BaseException as error:
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(20)]
        for reader in readers:
            reader.start()
        job = filled.job(total=batches * size)
        everything = make_set(*(Prompt(f"p{i}", f"text {i}") for i in range(batches * size)))
        for batch in range(batches):
            prompts = everything.prompts[batch * size : (batch + 1) * size]
            results = [make_result(prompt, seed=batch) for prompt in prompts]
            filled.store.save(job, make_info(), everything, ["heads"], 0, results)
        done.set()
        for reader in readers:
            reader.join(60)
        assert errors == []
        assert filled.store.runs_page(RunFilter()).total == batches * size
        assert filled.store.check() == []

    def test_writers_of_one_store_wait_for_each_other(self, filled: Filled) -> None:
        errors = []

        def write(name: int) -> None:
            try:
                for index in range(3):
                    prompt = make_prompt(f"{name}-{index}", f"text {name} {index}")
                    filled.save(make_result(prompt, seed=name), experiment="shared")
            except BaseException as error:
                errors.append(error)

        writers = [threading.Thread(target=write, args=(name,)) for name in range(5)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)
        assert errors == []
        assert filled.store.runs_page(RunFilter()).total == 15
        assert len(filled.store.overview().experiments) == 1
