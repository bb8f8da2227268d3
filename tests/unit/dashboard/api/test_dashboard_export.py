"""Exports of runs: three formats that say the same, streamed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headscope.analysis.types import RunStatus
from headscope.dashboard.api.runs_export import COLUMNS, by_column, write_csv, write_json, write_parquet
from headscope.storage.rows import RunRow

TEXTS = ["plain", 'comma, "quote"', "two\nlines", "émoji 🧭 漢字", "", "=1+1"]


def row(index: int) -> RunRow:
    text = TEXTS[index % len(TEXTS)]
    failed = index % 5 == 4
    return RunRow(
        id=f"run-{index}", status=RunStatus.FAILED if failed else RunStatus.SUCCEEDED, experiment_id="e",
        experiment="first", model_id="m", model="tiny", prompt_set=None, prompt_key=f"p{index}", text=text, target=None,
        foil=None, tags=("a", "b") if index % 2 else (), pair_id=None, group_name=None,
        created_at=datetime(2026, 1, 31, 12, index, tzinfo=UTC), seconds=0.25, n_tokens=None if failed else index,
        mean_surprisal=None if failed else 1.5, perplexity=None, next_token=" x", next_token_prob=0.5, next_entropy=2.0,
        target_logprob=None, target_rank=None, margin=None, continuation=None, error="too long" if failed else None,
        error_kind="too_long" if failed else None,
    )  # fmt: skip


ROWS = tuple(row(index) for index in range(12))


WRITTEN = tuple(by_column(row, {}, shown=False) for row in ROWS)


def blocks() -> Iterator[Sequence[dict[str, Any]]]:
    yield WRITTEN[:5]
    yield WRITTEN[5:]


def test_csv_reads_back() -> None:
    text = b"".join(write_csv(blocks())).decode()
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [r["text"] for r in read] == [r.text for r in ROWS]
    assert list(read[0]) == list(COLUMNS)
    assert read[4]["n_tokens"] == ""
    assert json.loads(read[1]["tags"]) == ["a", "b"]
    assert read[0]["created_at"] == "2026-01-31T12:00:00+00:00"


def test_json_reads_back() -> None:
    read = json.loads(b"".join(write_json(blocks())))
    assert [r["text"] for r in read] == [r.text for r in ROWS]
    assert read[4]["n_tokens"] is None
    assert read[3]["tags"] == ["a", "b"]


def test_parquet_reads_back_typed() -> None:
    table = pq.read_table(pa.BufferReader(b"".join(write_parquet(blocks()))))
    assert table.column("text").to_pylist() == [r.text for r in ROWS]
    assert table.column("tags").to_pylist()[1] == ["a", "b"]
    assert table.column("n_tokens").to_pylist()[4] is None
    assert table.column("created_at").to_pylist() == [r.created_at for r in ROWS]
    assert table.schema.field("mean_surprisal").type == pa.float64()


def test_nothing_is_held_but_one_block() -> None:
    served: list[int] = []

    def counted() -> Iterator[Sequence[dict[str, Any]]]:
        for index in range(3):
            served.append(index)
            yield WRITTEN

    for write in (write_csv, write_json, write_parquet):
        served.clear()
        assert next(iter(write(counted())))
        assert served == [0]


def test_no_rows_is_a_valid_file() -> None:
    assert b"".join(write_csv(iter([()]))).decode().strip() == ",".join(COLUMNS)
    assert json.loads(b"".join(write_json(iter([()])))) == []
    assert pq.read_table(pa.BufferReader(b"".join(write_parquet(iter([()]))))).num_rows == 0
