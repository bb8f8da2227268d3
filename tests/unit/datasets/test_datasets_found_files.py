"""Files as spreadsheets, pandas and old programs leave them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headscope.analysis.errors import InputError
from headscope.analysis.types import Prompt, PromptSet
from headscope.datasets import prompt_sets
from headscope.datasets.loaders import load_file, load_stdin
from headscope.datasets.schema import Problems, Row, read_prompts

Load = Callable[[str, str | bytes], PromptSet]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def from_text(name: str, content: str | bytes) -> PromptSet:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_file(path)

    return from_text


def pairs(loaded: PromptSet) -> list[tuple[str, str | None]]:
    return [(prompt.text, prompt.target) for prompt in loaded.prompts]


# Tables


@pytest.mark.parametrize(
    "content",
    [
        "text,target,,\r\nRain in, Spain,,\r\nSnow on, hills,,\r\n",
        "text,target,\nRain in, Spain,\nSnow on, hills,\n",
        "text,target,,\nRain in, Spain\nSnow on, hills,,,,\n",
        "text,target\nRain in, Spain,,\nSnow on, hills\n",
        ",text,,target\n,Rain in,, Spain\n,Snow on,, hills\n",
        "sep=;\r\ntext;target\r\nRain in; Spain\r\nSnow on; hills\r\n",
        '"sep=|"\ntext|target\nRain in| Spain\nSnow on| hills\n',
        "sep=,\n\ntext,target\nRain in, Spain\nSnow on, hills\n",
        "\ufeffsep=\t\ntext\ttarget\nRain in\t Spain\nSnow on\t hills\n",
        "\n \r\n,,\ntext,target,\nRain in, Spain,\nSnow on, hills,\n",
        "text,target\n\n,\nRain in, Spain\n,\n,,,\n\nSnow on, hills\n,\n,\n",
        "text,target\rRain in, Spain\rSnow on, hills\r",
        "sep=;\rtext;target;\rRain in; Spain;\r;;\rSnow on; hills",
        '"text","target","a\nnote"\n"Rain in"," Spain",\n"Snow on"," hills",\n',
    ],
)
def test_a_table_is_what_it_holds(load: Load, content: str) -> None:
    assert pairs(load("a.csv", content)) == [("Rain in", " Spain"), ("Snow on", " hills")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text,target,,\nx, y,,\nx, y,,z\n", "line 3, column 4: it has values and the header has no name for it;"),
        ("text,,target\nx,note, y\n", "line 2, column 2: it has values and the header has no name for it; name the"),
        ("sep=;\n\ntext;target\n;\nx; y; z\n", "line 5: 3 cells, the header names 2 columns; put quotation marks"),
        ("\n\ntext,target,\n,,\n,,\nx\n", "line 6: 1 cell, the header names 2 columns; give each column a cell"),
        ('sep=,\ntext,target\n"two\nlines", x\n,\nx,"y\n', "line 6: not CSV"),
        (",\n\ntext,id\nx,1\n,\ny,1\n", "line 6, column id: '1' is already the id of line 4."),
        ("\rtext,id\rx,1\r,\ry,1\r", "line 5, column id: '1' is already the id of line 3."),
    ],
)
def test_line_numbers_are_those_of_the_file(load: Load, content: str, expected: str) -> None:
    with pytest.raises(InputError, match=r"^a\.csv line") as caught:
        load("a.csv", content)
    assert expected in str(caught.value)


def test_a_nameless_column_with_many_values_is_named_once(load: Load) -> None:
    with pytest.raises(InputError) as caught:
        load("a.csv", "text,\n" + "x,y\n" * 50)
    assert str(caught.value) == (
        "a.csv line 2, column 2: it has values and the header has no name for it; name the column, or empty it. "
        "(49 more rows like it.)"
    )


def test_the_row_index_of_pandas_is_not_used_and_said(load: Load) -> None:
    loaded = load("a.csv", ",text,target\n0,Rain in, Spain\n7,Snow on, hills\n")
    assert pairs(loaded) == [("Rain in", " Spain"), ("Snow on", " hills")]
    assert loaded.warnings[0].startswith("a.csv: not used: ''.")
    with pytest.raises(InputError, match="line 2, column 1: it has values"):
        load("a.csv", ",text\n0,x\nfirst,y\n")


# Numbers and what is missing


def test_whole_numbers_that_pandas_made_floats_mean_the_same_in_every_format(load: Load, tmp_path: Path) -> None:
    columns = {"id": [1.0, 2.0, 30.0], "text": ["a", "b", "c"], "group": [1.0, float("nan"), -2.0]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    rows = ('{"id": 1.0, "text": "a", "group": 1.0}\n{"id": 2.0, "text": "b", "group": NaN, "target": NaN}\n'
            '{"id": 30, "text": "c", "group": -2, "tags": NaN}\n')  # fmt: skip
    expected = (Prompt("1", "a", group="1"), Prompt("2", "b"), Prompt("30", "c", group="-2"))
    assert load_file(tmp_path / "a.parquet").prompts == expected
    assert load("a.jsonl", rows).prompts == expected
    assert load("a.csv", "id,text,group\n1.0,a,1.0\n2.0,b,\n30.0,c,-2.0\n").prompts == expected
    assert load("a.csv", "id,text,group\n1.0,a,1.0\n2.0,b,NaN\n30.0,c,-2.0\n").prompts == expected


def test_texts_that_look_like_numbers_stay_texts(load: Load) -> None:
    table = load("a.csv", "id,text,target,group\n1.0,5.0,4.0,nan\n1.10,6.0,7.0,NaN\n")
    assert table.prompts == (Prompt("1.0", "5.0", "4.0", group="nan"), Prompt("1.10", "6.0", "7.0", group="NaN"))
    assert load("a.jsonl", '{"id": "1.0", "text": "NaN"}\n').prompts == (Prompt("1.0", "NaN"),)


def test_an_id_that_is_missing_is_made_from_the_content(load: Load) -> None:
    plain = load("a.txt", "x\n").prompts
    for row in ('{"text": "x", "id": NaN}', '{"text": "x", "id": null}', '{"text": "x", "id": ""}'):
        assert load("a.jsonl", row).prompts == plain


def test_ids_that_become_the_same_are_doubled(load: Load) -> None:
    with pytest.raises(InputError, match=r"line 2, column id: '3' is already the id of line 1\."):
        load("a.jsonl", '{"text": "x", "id": 3.0}\n{"text": "y", "id": "3"}\n')


# Lines


def test_lines_that_end_in_cr_alone(load: Load) -> None:
    assert [prompt.text for prompt in load("a.txt", "\ufeffone\r two \r\rlast\r").prompts] == [
        "one",
        " two ",
        "",
        "last",
    ]
    rows = b'{"text": "x", "target": " y"}\r\r{"text": "z"}'
    assert pairs(load("a.jsonl", rows)) == pairs(load_stdin(io.BytesIO(rows))) == [("x", " y"), ("z", None)]
    assert [prompt.text for prompt in load_stdin(io.BytesIO(b"one\rtwo\r")).prompts] == ["one", "two"]
    with pytest.raises(InputError, match=r"a\.jsonl line 3, column text"):
        load("a.jsonl", rows.replace(b'"z"', b"3"))


def test_a_cr_within_a_line_of_a_file_with_lf_belongs_to_the_line(load: Load) -> None:
    assert [prompt.text for prompt in load("a.txt", "one\rtwo\nthree\r\n").prompts] == ["one\rtwo", "three"]


# Keys and ids that stand twice


def test_a_doubled_key_is_named_wherever_it_stands(load: Load) -> None:
    with pytest.raises(InputError) as caught:
        load(
            "a.jsonl",
            '{"text": "a"}\n{"text": "b", "target": " x", "target": " y"}\n{"text": 1, "m": {"k": 1, "k": 1}}',
        )
    assert str(caught.value).splitlines() == [
        "a.jsonl line 2: key 'target' stands twice in one object; keep one.",
        "a.jsonl line 3: key 'k' stands twice in one object; keep one.",
    ]
    with pytest.raises(InputError, match="standard input line 1: key 'text' stands twice"):
        load_stdin(io.BytesIO(b'{"text": "a", "text": "b"}\n'))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,text\nq,x\nr,y\nq,z\n"),
        ("a.jsonl", '\n{"id": "q", "text": "x"}\n\n{"id": "q", "text": "x"}\n'),
    ],
)
def test_doubled_ids_are_refused_at_the_door(load: Load, tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(InputError, match=r"line 4, column id: 'q' is already the id of line 2\."):
        load(name, content)
    with pytest.raises(InputError, match="'q' is already the id of"):
        prompt_sets.load(str(tmp_path / name))  # the one way in of `run` and `blackbox`
    pq.write_table(pa.table({"id": ["q", "q"], "text": ["x", "y"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"row 2, column id: 'q' is already the id of row 1\."):
        load_file(tmp_path / "b.parquet")


def test_an_importer_that_makes_one_id_twice_of_one_line_is_told() -> None:
    problems = Problems("set")
    rows = [Row("line 1", {"id": "q", "text": "x"}), Row("line 1", {"id": "q", "text": "y"})]
    with pytest.raises(InputError, match=r"set line 1, column id: 'q' is already the id of line 1\."):
        read_prompts(rows, problems)
