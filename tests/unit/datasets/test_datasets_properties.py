"""Whatever prompts people have, each format gives the same ones back."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from headscope.analysis.types import Prompt, PromptSet
from headscope.datasets.loaders import load_file, load_stdin

COLUMNS = ("id", "text", "target", "foil", "group", "pair_id", "tags")

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
something = anything.filter(bool)
name = something.filter(lambda text: not re.fullmatch(r"-?[0-9]+\.0", text))  # may be a whole number in a table
tag = something.map(lambda text: text.replace(";", "").strip()).filter(bool)


@st.composite
def prompt_lists(draw: st.DrawFn) -> list[Prompt]:
    ids = draw(st.lists(name, min_size=1, max_size=6, unique=True))
    return [
        Prompt(
            id=prompt_id,
            text=draw(anything),
            target=(target := draw(st.none() | something)),
            foil=draw(st.none() | something) if target else None,
            group=draw(st.none() | name),
            pair_id=draw(st.none() | name),
            tags=tuple(dict.fromkeys(draw(st.lists(tag, max_size=3)))),
        )
        for prompt_id in ids
    ]


def as_rows(prompts: list[Prompt]) -> list[dict[str, Any]]:
    return [{column: getattr(prompt, column) for column in COLUMNS} for prompt in prompts]


def through_jsonl(prompts: list[Prompt]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=len(row["text"]) % 2 == 0) + "\n" for row in as_rows(prompts)).encode()


def through_csv(prompts: list[Prompt]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows({**row, "tags": ";".join(row["tags"])} for row in as_rows(prompts))
    return out.getvalue().encode()


def through_parquet(prompts: list[Prompt]) -> bytes:
    fields = {column: pa.string() for column in COLUMNS} | {"tags": pa.list_(pa.string())}
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(as_rows(prompts), schema=pa.schema(fields.items())), out)
    return out.getvalue()


def load_bytes(data: bytes, ending: str) -> PromptSet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"prompts{ending}"
        path.write_bytes(data)
        return load_file(path)


@settings(max_examples=60, deadline=None)
@given(prompt_lists())
def test_every_format_gives_the_same_prompts_and_checksum(prompts: list[Prompt]) -> None:
    loaded = [
        load_bytes(through_jsonl(prompts), ".jsonl"),
        load_bytes(through_csv(prompts), ".csv"),
        load_bytes(through_parquet(prompts), ".parquet"),
    ]
    for prompt_set in loaded:
        assert list(prompt_set.prompts) == prompts
    assert len({prompt_set.sha256 for prompt_set in loaded}) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r")), min_size=1))
def test_any_bytes_line_by_line_lose_no_row_and_can_be_written(lines: list[bytes]) -> None:
    """Every line is a prompt; it is marked exactly when it is not storable text, and readable all the same."""
    data = b"\n".join(lines) + b"\n"
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"{")):
        data = b"x" + data
        lines = [b"x" + lines[0], *lines[1:]]
    prompts = load_stdin(io.BytesIO(data)).prompts
    assert len(prompts) == len(lines)
    for prompt, line in zip(prompts, lines, strict=True):
        prompt.text.encode()
        try:
            text = line.decode()
        except UnicodeDecodeError:
            assert prompt.invalid
            assert prompt.text == line.decode(errors="backslashreplace").replace("\x00", "\\x00")
        else:
            assert (prompt.invalid is not None) == ("\x00" in text)
            assert prompt.text == text.replace("\x00", "\\x00")


@settings(max_examples=60, deadline=None)
@given(prompt_lists(), st.data())
def test_what_a_spreadsheet_adds_to_a_table_changes_nothing(prompts: list[Prompt], data: st.DataObject) -> None:
    """Empty rows anywhere, empty columns at both ends, any delimiter and line end, a line that says the delimiter."""
    delimiter = data.draw(st.sampled_from(",;\t|"))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    before, after = (data.draw(st.integers(0, 3)) for _ in range(2))
    table = [list(COLUMNS), *([*[*row.values()][:-1], ";".join(row["tags"])] for row in as_rows(prompts))]
    out = io.StringIO(newline="")
    if delimiter == "|" or data.draw(st.booleans()):
        out.write(f"sep={delimiter}{end}")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    for row in table:
        for width in data.draw(st.lists(st.integers(0, 12), max_size=2)):
            out.write(delimiter * width + end)
        writer.writerow([""] * before + row + [""] * after)
    assert list(load_bytes(out.getvalue().encode(), ".csv").prompts) == prompts


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=5).filter(any))
def test_whole_numbers_survive_being_floats(groups: list[int | None]) -> None:
    floats = [None if number is None else float(number) for number in groups]
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["x"] * len(floats), "group": pa.array(floats, pa.float64())}), out)
    lines = [json.dumps({"text": "x", "group": float("nan") if number is None else number}) for number in floats]
    cells = ["text,group", *("x," if number is None else f"x,{number}" for number in floats)]
    expected = [None if number is None else str(number) for number in groups]
    for content, ending in ((out.getvalue(), ".parquet"), ("\n".join(lines), ".jsonl"), ("\n".join(cells), ".csv")):
        loaded = load_bytes(content if isinstance(content, bytes) else content.encode(), ending)
        assert [prompt.group for prompt in loaded.prompts] == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(anything.map(lambda text: re.sub(r"[\r\n]", "", text)), min_size=1, max_size=5))
def test_every_line_end_gives_the_same_lines(lines: list[str]) -> None:
    lines = ["x" + lines[0], *lines[1:]]
    loaded = [load_bytes("".join(line + end for line in lines).encode(), ".txt") for end in ("\n", "\r\n", "\r")]
    assert [prompt.text for prompt in loaded[0].prompts] == lines
    assert loaded[0].prompts == loaded[1].prompts == loaded[2].prompts
