"""Prompt files of one's own, good and bad."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headscope.analysis.errors import InputError
from headscope.analysis.types import Prompt
from headscope.datasets.loaders import load_file, load_stdin

Write = Callable[[str, bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return to_file


def jsonl(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_file(path)
    assert caught.value.kind == "prompt_file"
    return str(caught.value)


# Good files


def test_jsonl_with_every_column(write: Write) -> None:
    row = {
        "id": "a",
        "text": "Hi",
        "target": " you",
        "foil": " me",
        "group": "g",
        "pair_id": "p",
        "tags": ["x", "y", "x"],
    }
    loaded = load_file(write("mine.jsonl", jsonl(row)))
    assert loaded.prompts == (Prompt("a", "Hi", " you", " me", "g", "p", ("x", "y")),)
    assert (loaded.name, loaded.warnings, loaded.version) == ("mine", (), loaded.sha256[:12])


def test_jsonl_skips_blank_lines_and_takes_numbers_as_ids(write: Write) -> None:
    loaded = load_file(write("a.jsonl", b'\xef\xbb\xbf{"id": 7, "text": "x"}\r\n\r\n{"id": 8, "text": "y"}'))
    assert [(prompt.id, prompt.text) for prompt in loaded.prompts] == [("7", "x"), ("8", "y")]


def test_csv_quotes_line_breaks_and_spaces(write: Write) -> None:
    content = b'text,target,tags\r\n"Say ""no"", then",  yes,"a; b"\r\n"two\nlines",,\r\n plain , x,\r\n'
    loaded = load_file(write("a.csv", content))
    assert [(prompt.text, prompt.target, prompt.tags) for prompt in loaded.prompts] == [
        ('Say "no", then', "  yes", ("a", "b")),
        ("two\nlines", None, ()),
        (" plain ", " x", ()),
    ]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t"), ("a.csv", ",")])
def test_csv_delimiter_is_read_off_the_header(write: Write, name: str, delimiter: str) -> None:
    loaded = load_file(write(name, f"\ufefftext{delimiter}target\nRain in{delimiter} Spain\n".encode()))
    assert [(prompt.text, prompt.target) for prompt in loaded.prompts] == [("Rain in", " Spain")]


def test_csv_of_one_column(write: Write) -> None:
    assert [prompt.text for prompt in load_file(write("a.csv", b"text\none\ntwo\n")).prompts] == ["one", "two"]


def test_csv_cell_beyond_the_readers_default_limit(write: Write) -> None:
    loaded = load_file(write("a.csv", b"text\n" + b"word " * 60_000 + b"\n"))
    assert len(loaded.prompts[0].text) == 300_000


def test_text_lines_exactly_as_they_stand(write: Write) -> None:
    loaded = load_file(write("a.txt", "\ufeff one \r\ntwo\u2028still two\n\nlast".encode()))
    assert [prompt.text for prompt in loaded.prompts] == [" one ", "two\u2028still two", "", "last"]
    assert "1 of 4 prompts are empty" in loaded.warnings[0]


def test_parquet_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2]),
            "text": pa.array(["a", "b"]).dictionary_encode(),
            "target": pa.array([" x", None], pa.large_string()),
            "tags": pa.array([["t", "u"], None], pa.list_(pa.string())),
            "group": pa.array([b"bin\xc3\xa9", b"\xff"], pa.binary()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = load_file(tmp_path / "a.parquet").prompts
    assert first == Prompt("1", "a", " x", None, "biné", None, ("t", "u"))
    assert (second.id, second.group, second.target) == ("2", "\\xff", None)
    assert second.invalid == "row 2, column group is not UTF-8: byte \\xff at character 1"


def test_stdin_text_and_json_lines() -> None:
    assert [prompt.text for prompt in load_stdin(io.BytesIO(b"one\n{two}\n")).prompts] == ["one", "{two}"]
    (prompt,) = load_stdin(io.BytesIO(b'{"text": "Hi", "target": " you"}\n')).prompts
    assert (prompt.text, prompt.target) == ("Hi", " you")
    assert [prompt.text for prompt in load_stdin(io.BytesIO(b'{"a": 1}\n')).prompts] == ['{"a": 1}']
    with pytest.raises(InputError, match="standard input is empty"):
        load_stdin(io.BytesIO(b""))


def test_ids_come_from_content_and_survive_reordering(write: Write) -> None:
    first = load_file(write("a.txt", b"one\ntwo\none\n")).prompts
    second = load_file(write("b.txt", b"new\ntwo\none\n")).prompts
    assert len({prompt.id for prompt in first}) == 3
    assert {prompt.text: prompt.id for prompt in second}["two"] == first[1].id
    assert second[2].id == first[0].id
    assert first[2].id == first[0].id + "-2"
    many = load_file(write("c.txt", b"same\n" * 20_000)).prompts  # quadratic work would show here
    assert len({prompt.id for prompt in many}) == 20_000


def test_columns_that_mean_nothing_here_are_named_not_fatal(write: Write) -> None:
    loaded = load_file(write("a.csv", b"text,source,label\nx,y,1\n"))
    assert loaded.warnings == (
        "a.csv: not used: 'label', 'source'. The columns are id, text, target, foil, group, pair_id, counterfactual, "
        "tags.",
    )


# Rows that are no text


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.txt", b"good\nna\xefve\n", 2),
        ("a.jsonl", b'{"text": "good"}\n{"text": "na\xefve"}\n', 2),
        ("a.csv", b"text\ngood\nna\xefve\n", 3),
    ],
)
def test_rows_that_are_not_utf8_are_kept_and_marked(write: Write, name: str, content: bytes, line: int) -> None:
    loaded = load_file(write(name, content))
    assert [prompt.text for prompt in loaded.prompts] == ["good", "na\\xefve"]
    assert loaded.prompts[0].invalid is None
    assert loaded.prompts[1].invalid == f"line {line}, column text is not UTF-8: byte \\xef at character 3"
    assert "1 of 2 prompts are not valid text" in loaded.warnings[0]


def test_half_a_surrogate_pair_and_nul_are_no_storable_text(write: Write) -> None:
    loaded = load_file(write("a.jsonl", b'{"text": "\\ud83d!"}\n{"text": "a\\u0000b"}\n{"text": "\\ud83d\\ude00"}\n'))
    texts = [prompt.text for prompt in loaded.prompts]
    assert texts == ["\\ud83d!", "a\\x00b", "😀"]
    reasons = [str(prompt.invalid) for prompt in loaded.prompts]
    assert "half a surrogate pair" in reasons[0]
    assert "NUL" in reasons[1]
    assert loaded.prompts[2].invalid is None


# Bad files


def test_bad_rows_are_all_named_by_line_and_column(write: Write) -> None:
    path = write(
        "prompts.jsonl",
        jsonl(
            {"text": "fine"},
            {"text": "x", "target": 3.5},
            {"target": " y"},
            ["x"],
            {"text": None},
            {"text": "x", "foil": " a foil without a target fails in its run, not here"},
            {"text": "x", "tags": [1]},
            {"text": "x", "targt": " y"},
        )
        + b'{"text": "x"\n',
    )
    assert message(path).splitlines() == [
        "prompts.jsonl line 2, column target: expected text, found 3.5.",
        "prompts.jsonl line 3, column text: missing; found 'target'. Call the column that holds the prompts 'text'.",
        'prompts.jsonl line 4: expected an object like {"text": "..."}, found a list.',
        "prompts.jsonl line 5, column text: expected text, found nothing.",
        "prompts.jsonl line 7, column tags: expected a list of texts or text with ';', found [1].",
        "prompts.jsonl line 8, column 'targt': no such column; did you mean 'target'? Rename or remove it.",
        "prompts.jsonl line 9, character 13: not JSON: Expecting ',' delimiter.",
    ]


def test_an_unknown_column_is_named_once_with_the_nearest(write: Write) -> None:
    text = message(write("a.csv", b"text,Foils,target\n" + b"x, y, z\n" * 50))
    assert text == "a.csv line 2, column 'Foils': no such column; did you mean 'foil'? Rename or remove it."


def test_lines_of_another_shape_are_named_once(write: Write) -> None:
    text = message(write("a.jsonl", jsonl(*[{"user_prompt": "x", "n": number} for number in range(9)])))
    assert text == (
        "a.jsonl line 1, column text: missing; found 'user_prompt', 'n'. Rename 'user_prompt' to 'text'. "
        "(8 more rows like it.)"
    )


def test_many_problems_are_cut_off(write: Write) -> None:
    lines = message(write("a.jsonl", jsonl(*[{"text": number} for number in range(500)]))).splitlines()
    assert len(lines) == 21
    assert "stopped reading after 20" in lines[-1]


def test_double_ids_name_both_rows(write: Write) -> None:
    path = write("a.jsonl", jsonl({"id": "q", "text": "x"}, {"text": "y"}, {"id": "q", "text": "z"}))
    assert message(path) == "a.jsonl line 3, column id: 'q' is already the id of line 1."


def test_csv_line_numbers_count_line_breaks_inside_quotes(write: Write) -> None:
    text = message(write("a.csv", b'text,target\n"one\ntwo", x\nthree, y, z\nfour\n'))
    assert text.splitlines() == [
        "a.csv line 4: 3 cells, the header names 2 columns; "
        "put quotation marks around a text that holds the delimiter.",
        "a.csv line 5: 1 cell, the header names 2 columns; give each column a cell, empty where there is nothing.",
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", b"", "a.jsonl is empty"),
        ("a.jsonl", b"\n\n", "holds no prompts"),
        ("a.csv", b"text,target\n", "holds no prompts"),
        ("a.csv", b"prompt,target\nx,y\n", "Rename 'prompt' to 'text'"),
        ("a.csv", b"Just some text\nmore\n", "ends in .txt"),
        ("a.csv", b"text,text\nx,y\n", "stands there twice"),
        ("a.csv", b'text\n"never closed\n', "line 2: not CSV"),
        ("a.parquet", b"not parquet at all", "cannot be read as Parquet"),
        ("a.jsonl", b'[\n{"text": "x"}\n]\n', "one JSON document over many lines"),
        ("a.json", b"[]", "ends in .jsonl, .ndjson, .csv"),
        ("a.txt", "hi\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        ("a.jsonl", b'{"text": "x", "id": ' + b"9" * 5000 + b"}\n", "line 1: not usable as JSON"),
        ("a.jsonl", b'{"text": true}\n', "column text: expected text, found True"),
        ("a.jsonl", b'{"text": NaN}\n', "line 1, column text: expected text, found nothing"),
        ("a.jsonl", b'{"text": "x", "group": 1.5}\n', "column group: expected text or a whole number, found 1.5"),
        ("a.jsonl", b'{"text": "x", "id": 1e300}\n', "column id: expected text or a whole number, found 1e+300"),
        ("a.jsonl", b'{"text": "x", "id": Infinity}\n', "column id: expected text or a whole number, found inf"),
        ("a.jsonl", b'{"text": "x", "target": 4.0}\n', "column target: expected text, found 4.0"),
        ("a.jsonl", b'{"text": "x"}\n{"text": "y", "text": "z"}\n', "line 2: key 'text' stands twice in one object"),
        ("a.csv", b"\n\n", "line 1, column text: missing; found nothing"),
        ("a.csv", b"sep=;\nprompt;target\nx;y\n", "a.csv line 2, column text: missing; found 'prompt', 'target'"),
        ("a.csv", b'text,target\n"a"b,c\n', "line 2: not CSV"),
    ],
)
def test_files_that_cannot_be_used(write: Write, name: str, content: bytes, expected: str) -> None:
    assert expected in message(write(name, content))


def test_parquet_without_a_text_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sentence": ["a"] * 99}), tmp_path / "a.parquet")
    assert message(tmp_path / "a.parquet") == (
        "a.parquet, column text: missing; found 'sentence'. Rename 'sentence' to 'text'."
    )


# Warnings and size


def test_targets_without_their_space_are_pointed_out(write: Write) -> None:
    def warned(*rows: dict[str, str]) -> tuple[str, ...]:
        return load_file(write("a.jsonl", jsonl(*rows))).warnings

    (warning,) = warned({"text": "The capital is", "target": "Paris"}, {"text": "It is", "target": " cold"},
                        {"text": "Two and two are", "target": "four"})  # fmt: skip
    assert warning.startswith("2 of 3 targets do not start with a space, for example 'Paris'")
    (warning,) = warned({"text": "It is ", "target": "cold"})
    assert warning.startswith("1 of 1 prompts end in a space, for example 'It is '")
    assert not warned({"text": "首都は", "target": "東京"})
    assert not warned({"text": "Stop", "target": "!"})


def test_50_000_rows_load_alike_from_both_forms(write: Write) -> None:
    rows = [{"text": f"Prompt number {number}", "target": " x", "extra": number} for number in range(50_000)]
    loaded = load_file(write("a.jsonl", jsonl(*rows)))
    assert len(loaded.prompts) == 50_000
    csv = "text,target,extra\n" + "".join(f"{row['text']}, x,{row['extra']}\n" for row in rows)
    assert load_file(write("a.csv", csv.encode())).sha256 == loaded.sha256
