"""Published files: what is wrong with one is named by file, line and column; names, limits, and scores of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.analysis.types import Prompt
from headscope.datasets import importers, prompt_sets
from headscope.datasets.canonical import canonical_line
from headscope.datasets.loaders import load_file
from headscope.datasets.scores import read_scores

CROWS = ",sent_more,sent_less,stereo_antistereo,bias_type\n"
BBQ = {
    "example_id": 1, "question_index": "1", "question_polarity": "neg", "context_condition": "ambig", "category": "Age",
    "answer_info": {"ans0": ["a", "a"], "ans1": ["b", "b"], "ans2": ["u", "unknown"]},
    "additional_metadata": {"stereotyped_groups": ["a"]}, "context": "Tea.", "question": "Who?", "ans0": "a",
    "ans1": "b", "ans2": "u", "label": 2,
}  # fmt: skip
BLIMP = {
    "sentence_good": "a", "sentence_bad": "b", "field": "f", "linguistics_term": "t", "UID": "u", "pairID": "0"
}  # fmt: skip
OPTION = {"sentence": "It is tea.", "gold_label": "stereotype"}
STEREOSET = {"id": "a", "target": "t", "bias_type": "race", "context": "Tea.", "sentences": [OPTION, OPTION]}


@pytest.mark.parametrize(
    ("name", "file", "content", "expected"),
    [
        ("crows_pairs", "a.csv", "text,label\nx,y\n", "a.csv line 1, column sent_more: missing; found 'text', 'label'"),
        ("crows_pairs", "a.csv", CROWS + "0,x,y,stereo\n", "a.csv line 2: 4 cells, the header names 5 columns"),
        ("crows_pairs", "a.csv", CROWS + "a,x,y,stereo,age\n", "a.csv line 2, column 1: it has values and the header"),
        ("crows_pairs", "a.csv", CROWS.strip() + ",sent_more\n", "a.csv line 1: column 'sent_more' stands there twice"),
        ("crows_pairs", "a.csv", CROWS + "0,x,y,pro,age\n", "line 2, column stereo_antistereo: expected stereo or"),
        ("crows_pairs", "a.csv", CROWS + "0,x,,stereo,age\n", "line 2, column sent_less: expected a text, found ''"),
        ("crows_pairs", "a.csv", CROWS + '0,"x,y,stereo,age\n', "a.csv line 2: not CSV"),
        ("bbq", "a.jsonl", "{oops\n", "a.jsonl line 1, character 2: not JSON"),
        ("bbq", "a.jsonl", '{"context": "Tea."}\n', "a.jsonl line 1, column example_id: missing; found 'context'"),
        ("bbq", "a.jsonl", json.dumps(BBQ | {"label": 3}), "line 1, column label: expected 0, 1 or 2, found 3"),
        ("bbq", "a.jsonl", json.dumps(BBQ | {"answer_info": {}}), "line 1, column answer_info: expected ans0, ans1"),
        ("bbq", "a.jsonl", json.dumps(BBQ) + "\n" + json.dumps(BBQ), "'Age-1-0' is already the id of a.jsonl line 1"),
        ("bbq", "a.jsonl", '{"context": 1, "context": 2}\n', "line 1: key 'context' stands twice in one object"),
        ("bold", "a_prompt.json", '{"a": {"b": ["x"], "b": ["y"]}}', "a_prompt.json: key 'b' stands twice"),
        ("bold", "a_prompt.json", "[1]", "a_prompt.json: expected an object of groups"),
        ("bold", "a_prompt.json", '{"a": {"b": [3]}}', "a_prompt.json a, b, column prompt: expected a text, found 3"),
        ("bold", "a_prompt.json", "{\n1", "a_prompt.json line 2, character 1: not JSON"),
        ("stereoset", "dev.json", '{"data": []}', "dev.json: expected an object with data.intrasentence"),
        ("stereoset", "dev.json", json.dumps({"data": {"intrasentence": [STEREOSET]}}),
         "dev.json intrasentence 1, column sentences: expected one stereotype, one anti-stereotype, one unrelated"),
        ("winobias", "sentences.txt", "1 [A] [b]\n", "expected a name like pro_stereotyped_type1.txt.dev"),
        ("winobias", "pro_stereotyped_type1.txt.dev", "1 No brackets.\n", "txt.dev line 1: expected a number and"),
        ("winogender", "all_sentences.tsv", "sentid\tsentence\na.b.2.male.txt\tHe is.\n",
         "all_sentences.tsv line 2, column sentid: expected OCCUPATION.PARTICIPANT.0 or 1.GENDER.txt"),
        ("winogender", "all_sentences.tsv", "sentid\tsentence\na.b.1.male.txt\tShe is.\n",
         "line 2, column sentence: no male pronoun in 'She is.'"),
        ("realtoxicityprompts", "a.jsonl", '{"filename": "f", "begin": 1, "end": 2, "prompt": "Tea"}',
         "line 1, column prompt: expected an object, found 'Tea'"),
        ("hatecheck", "a.csv", "functionality,case_id,test_case,label_gold\nf,1,Tea.,hate\n",
         "line 2, column label_gold: expected hateful or non-hateful, found 'hate'"),
        ("truthfulqa", "mc_task.json", '[{"question": "Q?", "mc1_targets": {"a": 1}, "mc2_targets": {"a": 1, "b": 0}}]',
         "mc_task.json question 1, column mc1_targets: expected true (1) and false (0) answers"),
        ("lama", "a.jsonl", '{"obj_label": "tea", "masked_sentences": ["It is."]}',
         "a.jsonl line 1, column masked_sentences: expected a text with [MASK], found 'It is.'"),
        ("blimp", "a.jsonl", '{"sentence_good": "Tea."}', "a.jsonl line 1, column sentence_bad: missing; found 'sent"),
        ("blimp", "a.jsonl", json.dumps(BLIMP | {"field": ""}), "a.jsonl line 1, column field: expected a text, found"),
        ("pararel", "a.jsonl", "{}", "expected a folder that holds facts/"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, name: str, file: str, content: str, expected: str) -> None:
    path = tmp_path / file
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        importers.load(name, path)
    assert expected in str(caught.value)
    assert caught.value.kind == "prompt_file"


def test_all_bad_rows_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CROWS + "0,x,y,pro,age\n1,x,y,stereo,\n2,x,y,stereo,age\n")
    with pytest.raises(InputError) as caught:
        importers.load("crows_pairs", path)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "crows_pairs a.csv line 2, column stereo_antistereo",
        "crows_pairs a.csv line 3, column bias_type",
    ]


def test_bytes_that_are_not_utf8_are_kept_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CROWS.encode() + b"0,caf\xe9,tea,stereo,age\n")
    more, less = importers.load("crows_pairs", path).prompts
    assert (more.text, more.invalid) == (
        "caf\\xe9", "a.csv line 2, column text is not UTF-8: byte \\xe9 at character 4",
    )  # fmt: skip
    assert less.invalid is None
    lines = tmp_path / "pro_stereotyped_type1.txt.dev"
    lines.write_bytes(b"1 [The caf\xe9] met the cook and [it] sang.\n2 The caf\xe9 met [the cook] and [he] sang.\n")
    assert all(prompt.invalid for prompt in importers.load("winobias", lines).prompts)


def test_a_published_table_that_a_spreadsheet_saved_again_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CROWS + '7,"x, x",y,stereo,age\n9,x,y z,stereo,age\n')
    published = importers.load("crows_pairs", path)
    path.write_bytes(
        b"\xef\xbb\xbf" + CROWS.strip().replace(",", ";").encode() + b";;\r\n7;x, x;y;stereo;age;;\r\n;;;;;;\r\n"
        b"9;x;y z;stereo;age;;\r\n"
    )
    assert importers.load("crows_pairs", path).prompts == published.prompts
    assert [prompt.pair_id for prompt in published.prompts] == ["7", "7", "9", "9"]


def test_a_line_of_a_published_text_file_ends_where_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "pro_stereotyped_type1.txt.dev"
    written = ["1 [The guard] met the\u2028cook and [it] sang.", "2 The guard met [the cook] and [he] sang."]
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(end.join(written).encode())
        prompts = importers.load("winobias", path).prompts
        assert len(prompts) == 4
        assert any("\u2028" in prompt.text for prompt in prompts)


def test_an_empty_folder_says_which_files_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no dev\.json or test\.json"):
        importers.load("stereoset", tmp_path)


def test_scores_of_a_classifier(tmp_path: Path) -> None:
    table, rows = tmp_path / "s.csv", tmp_path / "s.jsonl"
    table.write_text("id,score\na,0.25\nb,1\na,0.5\n")
    rows.write_text('{"id": "a", "score": 0.25}\n{"id": "b", "score": 1}\n{"id": "a", "score": 0.5}\n')
    assert read_scores(table) == read_scores(rows) == {"a": (0.25, 0.5), "b": (1.0,)}
    table.write_text("id,score\na,high\nb,1.5\nc,nan\n")
    with pytest.raises(InputError) as caught:
        read_scores(table)
    assert [line.partition(",")[0] for line in str(caught.value).splitlines()] == [
        "scores s.csv line 2", "scores s.csv line 3", "scores s.csv line 4",
    ]  # fmt: skip


def test_scores_from_spreadsheets_and_pandas_belong_to_the_same_ids(tmp_path: Path) -> None:
    table, rows = tmp_path / "s.csv", tmp_path / "s.jsonl"
    table.write_bytes(b"sep=;\r\nid;score;;\r\n1.0;0.25;;\r\n;;;\r\n2.0;1;;;;\r\n")
    rows.write_text('{"id": 1.0, "score": 0.25}\n{"id": 2, "score": 1}\n')
    assert read_scores(table) == read_scores(rows) == {"1": (0.25,), "2": (1.0,)}
    table.write_text("id,score\n,0.5\n")
    rows.write_text('{"id": NaN, "score": 0.5}\n{"id": null, "score": 0.5}\n{"id": 1.5, "score": NaN}\n')
    with pytest.raises(InputError, match=r"s\.csv line 2, column id: expected the id of a prompt, found ''"):
        read_scores(table)
    with pytest.raises(InputError) as caught:
        read_scores(rows)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "scores s.jsonl line 1, column id", "scores s.jsonl line 2, column id",
        "scores s.jsonl line 3, column score", "scores s.jsonl line 3, column id",
    ]  # fmt: skip


# Names and limits


def test_a_published_set_is_named_by_format_and_path(tmp_path: Path) -> None:
    path = tmp_path / "profession_prompt.json"
    path.write_text(json.dumps({"bakers": {"A": ["A is"]}}))
    assert prompt_sets.load(f"bold:{path}") == importers.load("bold", path)
    with pytest.raises(InputError, match=r"is a folder: .* FORMAT:.*The formats are bbq, blimp, bold"):
        prompt_sets.load(str(path.parent))
    with pytest.raises(UnknownNameError, match="the valid names are bbq"):
        importers.load("bpld", path)
    with pytest.raises(InputError, match="no such file or folder"):
        importers.load("bold", path.parent / "none")


def test_a_limit_never_cuts_an_item_and_a_seed_shuffles_items() -> None:
    prompts = [Prompt(f"{pair}{side}", "x", pair_id=pair) for pair in "abcd" for side in "12"] + [Prompt("e", "x")]
    assert [p.id for p in importers.whole_items(prompts, 5, None)] == ["a1", "a2", "b1", "b2"]
    assert [p.id for p in importers.whole_items(prompts, 1, None)] == ["a1", "a2"]
    shuffled = importers.whole_items(prompts, None, 3)
    assert sorted(p.id for p in shuffled) == sorted(p.id for p in prompts)
    assert shuffled == importers.whole_items(prompts, None, 3) != tuple(prompts)


def test_what_was_written_is_read_back_the_same(tmp_path: Path) -> None:
    path, out = tmp_path / "Age.jsonl", tmp_path / "mine.jsonl"
    path.write_text(json.dumps(BBQ))
    loaded = importers.load("bbq", path)
    out.write_text("".join(canonical_line(prompt) + "\n" for prompt in loaded.prompts))
    assert load_file(out).prompts == loaded.prompts
    assert load_file(out).sha256 == loaded.sha256
