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
    assert "1 ids are of no prompt" in stranger.stderr
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
