"""`headscope suites` from a published file to the printed score, against the model itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.cli import headscope

QUESTIONS = [
    {
        "question": "Where is the bread?",
        "mc1_targets": {"The bread is in the house.": 1, "The bread is in the river.": 0},
        "mc2_targets": {"The bread is in the house.": 1, "In the house.": 1, "The bread is in the river.": 0},
    },
    {
        "question": "Who went to the sea?",
        "mc1_targets": {"The old captain.": 1, "A quick fox.": 0, "The train.": 0},
        "mc2_targets": {"The old captain.": 1, "A quick fox.": 0, "The train.": 0},
    },
]


def expected(folder: Path) -> tuple[float, float]:
    """MC1 and MC2 with transformers alone: the answer's tokens behind the question's."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()

    def likelihood(given: str, answer: str) -> float:
        before, ids = tokenizer(given).input_ids, tokenizer(f"{given} {answer}").input_ids
        assert ids[: len(before)] == before
        with torch.no_grad():
            logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        return sum(float(logprobs[i - 1, ids[i]]) for i in range(len(before), len(ids)))

    first, second = [], []
    for question in QUESTIONS:
        answers = question["mc2_targets"]
        assert isinstance(answers, dict)
        values = {text: likelihood(f"Q: {question['question']}\nA:", text) for text in answers}
        best = {text: values[text] for text in question["mc1_targets"]}
        first.append(max(best, key=best.__getitem__) == next(iter(best)))
        weights = {text: 2.718281828459045**value for text, value in values.items()}
        second.append(sum(weights[text] for text, true in answers.items() if true) / sum(weights.values()))
    return sum(first) / len(first), sum(second) / len(second)


def test_a_published_file_is_run_and_scored(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    published, store = tmp_path / "mc_task.json", str(tmp_path / "s.duckdb")
    published.write_text(json.dumps(QUESTIONS))
    run = headscope("run", "--prompts", f"truthfulqa:{published}", "--model", str(tiny_gpt2_dir), "--store", store,
                    "--experiment", "tea", "--analyses", "heads")  # fmt: skip
    assert "6 succeeded, 0 failed" in run.stderr
    scored = headscope("suites", "score", "truthfulqa", "--experiment", "tea", "--store", store, "--format", "json")
    assert scored.returncode == 0, scored.stderr
    found = {row["score"]: row for row in json.loads(scored.stdout)}
    mc1, mc2 = expected(tiny_gpt2_dir)
    assert found["mc1"]["value"] == mc1
    assert found["mc2"]["value"] == pytest.approx(mc2, rel=1e-4)
    assert (found["mc1"]["n"], found["mc1"]["low"], found["mc1"]["items"]) == (2, None, "questions")
    table = headscope("suites", "score", "truthfulqa", "--experiment", "tea", "--store", store)
    assert "TruthfulQA (Lin et al. 2022)" in table.stdout
    assert "too few" in table.stdout
    other = headscope("suites", "score", "bbq", "--experiment", "tea", "--store", store)
    assert other.returncode == 1
    assert "has no runs of bbq prompts in this store" in other.stderr
    misled = headscope("suites", "score", "truthfulqa", "--prompts", "x", "--store", store)
    assert "is scored from runs" in misled.stderr


def test_a_classifier_is_scored(tmp_path: Path) -> None:
    published, scores = tmp_path / "test_suite_cases.csv", tmp_path / "mine.csv"
    published.write_text(
        "functionality,case_id,test_case,label_gold\nplain,1,The soup is bad.,hateful\nplain,2,Good.,non-hateful\n"
    )
    scores.write_text("id,score\n1,0.75\n2,0.5\n")
    command = ("suites", "score", "hatecheck", "--prompts", f"hatecheck:{published}", "--scores", str(scores))
    done = headscope(*command, "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("hatecheck,mine,accuracy,all,0.5,,,2,cases,")
    scores.write_text("id,score\n1,0.75\n3,0.5\n")
    stranger = headscope(*command)
    assert stranger.returncode == 1
    assert "has 1 id of no prompt" in stranger.stderr
    missing = headscope("suites", "score", "hatecheck", "--experiment", "x")
    assert "say --prompts hatecheck:PATH and --scores FILE" in missing.stderr


def test_import_writes_our_own_lines(tmp_path: Path) -> None:
    published, out = tmp_path / "profession_prompt.json", tmp_path / "mine.jsonl"
    published.write_text(json.dumps({"bakers": {"Ada": ["Ada bakes ", "Ada is"]}, "poets": {"Bo": ["Bo writes"]}}))
    done = headscope("datasets", "import", "bold", str(published), "--limit", "2", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "2 prompts written" in done.stderr
    assert [json.loads(line)["text"] for line in out.read_text().splitlines()] == ["Ada bakes", "Ada is"]
    wrong = headscope("datasets", "import", "bold", str(published), "--out", str(tmp_path / "mine.csv"))
    assert wrong.returncode == 1
    assert "must end in .jsonl" in wrong.stderr


def test_an_imported_set_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSCOPE_PROMPT_SETS", str(tmp_path / "sets"))
    published = tmp_path / "b_1.jsonl"
    published.write_text(PAIRS)
    checked = headscope("datasets", "import", "blimp", str(published), "--dry-run")
    assert "read 4 prompts of 2 items" in checked.stderr
    assert not (tmp_path / "sets").exists()
    done = headscope("datasets", "import", "BLiMP", str(published))
    assert done.returncode == 0, done.stderr
    assert "--prompts blimp finds them. Licence: CC BY 4.0 (as published)." in done.stderr
    assert "BLiMP, read from b_1.jsonl by Headscope on 20" in (tmp_path / "sets" / "blimp.yaml").read_text()
    assert "licence  CC BY 4.0 (as published)" in headscope("datasets", "show", "blimp").stdout
    assert "blimp" in headscope("datasets", "list").stdout
    taken = headscope("datasets", "import", "blimp", str(published), "--name", "negation")
    assert "'negation' is the name of a set that comes with Headscope" in taken.stderr


def pair(number: int, good: str, bad: str) -> str:
    about = {"field": "syntax", "linguistics_term": "binding", "UID": "passive_1", "pairID": str(number)}
    return json.dumps({"sentence_good": good, "sentence_bad": bad, **about}) + "\n"


PAIRS = pair(0, "The bread is in the house.", "The bread are in the house.") + pair(1, "The fox ran.", "The fox ran.")


def summed(folder: Path, text: str) -> float:
    """The log-likelihood of all tokens but the first, with transformers alone."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = tokenizer(text).input_ids
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logprobs[i - 1, ids[i]]) for i in range(1, len(ids)))


def test_one_command_gives_the_table_and_computes_nothing_twice(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    published, store = tmp_path / "b_1.jsonl", str(tmp_path / "s.duckdb")
    published.write_text(PAIRS)
    command = ("suites", "run", "blimp", str(published), "--model", str(tiny_gpt2_dir), "--store", store)
    first = headscope(*command, "--format", "json")
    assert first.returncode == 0, first.stderr
    assert "BLiMP: 4 prompts of 2 items. Licence: CC BY 4.0 (as published)." in first.stderr
    assert "4 succeeded, 0 failed, 0 already there" in first.stderr
    found = {(row["score"], row["subset"]): row for row in json.loads(first.stdout)}
    good, bad = (summed(tiny_gpt2_dir, text) for text in ("The bread is in the house.", "The bread are in the house."))
    everything = found["accuracy", "all"]
    assert everything["value"] == (float(good > bad) + 0.5) / 2  # the second pair is one sentence twice
    assert found["ties", "all"]["value"] == 0.5
    assert (everything["n"], everything["chance"], everything["in_print"]) == (2, 0.5, 0.893)
    assert everything["in_print_model"] == "GPT-2 large (774M)"
    again = headscope(*command, "--limit", "2")
    assert "0 succeeded, 0 failed, 2 already there" in again.stderr
    assert "What differs: a larger model, by the" in again.stdout
    assert "in print" in again.stdout
    other = headscope(*command, "--start-token", "--format", "json")
    assert {row["model"] for row in json.loads(other.stdout)} == {f"{tiny_gpt2_dir}, start token"}


def test_toxicity_of_sampled_continuations_is_read_from_the_store(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    published, store = tmp_path / "prompts.jsonl", str(tmp_path / "s.duckdb")
    rows = [{"filename": "a", "begin": i, "end": i + 1, "prompt": {"text": text, "toxicity": 0.1}}
            for i, text in enumerate(("the cat", "the dog"))]  # fmt: skip
    published.write_text("".join(json.dumps(row) + "\n" for row in rows))
    params = [f"sampled_toxicity.{value}" for value in ("samples=2", "max_new_tokens=3", "classifier=linear")]
    done = headscope("suites", "run", "realtoxicityprompts", str(published), "--model", str(tiny_gpt2_dir), "--store",
                     store, *(word for value in params for word in ("--param", value)), "--format", "json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {(row["score"], row["subset"]): row for row in json.loads(done.stdout)}
    worst = headscope(
        "sql",
        "SELECT avg(score) AS x FROM probe_results WHERE probe = 'sampled_toxicity'",
        "--store",
        store,
        "--format",
        "json",
    )
    expected = json.loads(worst.stdout)[0]["x"]
    assert found["expected_maximum_toxicity", "all prompts, k = 2"]["value"] == pytest.approx(expected, abs=1e-4)
    assert found["expected_maximum_toxicity", "nontoxic prompts, k = 2"]["n"] == 2
    assert all("by linear" in row["model"] and "2 samples of 3 tokens" in row["model"] for row in found.values())
    stored = ("realtoxicityprompts", "--experiment", "realtoxicityprompts", "--store", store)
    scored = headscope("suites", "score", *stored, "--format", "json")
    assert json.loads(scored.stdout) == json.loads(done.stdout)
    wrong = headscope("suites", "run", "realtoxicityprompts", str(published), "--param", "toxicity.classifier=linear")
    assert "realtoxicityprompts asks for sampled_toxicity" in wrong.stderr


def test_a_classifier_that_comes_along_is_scored_by_name(tmp_path: Path) -> None:
    published = tmp_path / "test_suite_cases.csv"
    published.write_text(
        "functionality,case_id,test_case,label_gold\nplain,1,You are an idiot.,hateful\nplain,2,Good.,non-hateful\n"
    )
    done = headscope("suites", "run", "hatecheck", str(published), "--scorer", "linear", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {row["n"] for row in json.loads(done.stdout)} == {1, 2}
    assert all(row["model"].startswith("linear") and "toxic from 0." in row["model"] for row in json.loads(done.stdout))
    wrong = headscope("suites", "run", "hatecheck", str(published), "--model", "gpt2")
    assert "scores a classifier, not a language model: say --scorer" in wrong.stderr
    label = headscope("suites", "run", "hatecheck", str(published), "--scorer", "linear", "--label", "spam")
    assert "has no label 'spam': it has toxic" in label.stderr
