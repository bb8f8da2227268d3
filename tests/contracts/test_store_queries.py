"""Rows in order, filtered, searched and counted, on DuckDB and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.storage.rows import RUN_COLUMNS, Condition, FacetCount, RunFilter, Sort
from headscope.storage.rows.filters import PARTS
from headscope.storage.sql import readonly
from tests.factories import (
    make_prompt,
    make_result,
)
from tests.filled_store import NASTY, Filled, OnEachDatabase


class TestQueries(OnEachDatabase):
    def test_rows_come_in_the_order_asked(self, varied: Filled) -> None:
        ids = [row.id for row in varied.store.runs_page(RunFilter()).rows]
        wanted = [ids[4], "nonsense", ids[0], ids[2]]
        assert [row.id for row in varied.store.runs(wanted)] == [ids[4], ids[0], ids[2]]

    def test_the_statement_of_a_filter_finds_its_runs(self, varied: Filled) -> None:
        created, tags = Condition("created_at", "gt", datetime(2020, 1, 1, tzinfo=UTC)), ("odd", "even")
        more = (created, Condition("tags", "in", tags), Condition("seconds", "between", (0.1, 1e9)))
        asked = [RunFilter(search=text) for text in NASTY]
        asked += [RunFilter((created, Condition("text", "contains", text))) for text in NASTY]
        for where in (*asked, RunFilter((*more, Condition("experiment", "ne", "it's")), newest=3)):
            found = readonly.run(varied.store.url, varied.store.ids_sql(where)).table.column(0).to_pylist()
            rows = varied.store.runs_page(where).rows
            assert sorted(map(str, found)) == sorted(row.id for row in rows)
            assert rows, where

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

    @pytest.mark.parametrize("name", ["parts", "sample"])
    def test_all_parts_are_all_runs_and_more_parts_no_fewer_runs(self, varied: Filled, name: str) -> None:
        def drawn(parts: int) -> set[str]:
            return {row.id for row in varied.store.runs_page(RunFilter(**{name: parts}), limit=100).rows}

        every = {row.id for row in varied.store.runs_page(RunFilter(), limit=100).rows}
        assert drawn(PARTS) == drawn(3 * PARTS) == every
        few, half, most = (drawn(parts) for parts in (1, PARTS // 2, PARTS - 1))
        assert few <= half <= most <= every

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
        assert varied.store.experiments() == overview.experiments
        assert [row.last_run_at for row in overview.experiments] == [
            max(
                row.created_at for row in varied.store.runs_page(RunFilter((Condition("experiment", "eq", name),))).rows
            )
            for name in ("second", "first")
        ]
        assert [(m.info.ref.name, m.n_runs) for m in overview.models] == [("big", 1), ("tiny", 10)]
        assert sorted((s.name, s.n_prompts, s.n_runs) for s in overview.prompt_sets) == [
            ("demo", 1, 1),
            ("demo", 10, 10),
        ]
        assert len(overview.recent_runs) == 3
        assert overview.recent_runs[0].prompt_key == "other"
        assert [row.prompt_key for row in overview.recent_failures] == ["p7"]
