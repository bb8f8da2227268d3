"""The `headscope` commands of the documentation, and a folder with all that they name.

`gpt2` is a tiny model of that architecture in HEADSCOPE_MODEL_DIR, and so is the model of the commands that name none;
the prompt sets are ours with a few prompts each.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bilstm_package import wheel
from tests.cli import Done
from tests.forked import headscope_forked
from tests.small_sets import build_small_sets

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def pair(paradigm: str, good: str, bad: str) -> str:
    about = {"field": "syntax", "linguistics_term": "x", "UID": paradigm, "pairID": "0"}
    return json.dumps({"sentence_good": good, "sentence_bad": bad, **about})


PUBLISHED = {  # miniatures of the files that readers download
    "crows_pairs_anonymized.csv": ",sent_more,sent_less,stereo_antistereo,bias_type\n0,the cat,the dog,stereo,age\n",
    "test_suite_cases.csv": "functionality,case_id,test_case,label_gold\nplain,1,the cat ran,non-hateful\n",
    "my_classifier.csv": "id,score\n1,0.25\n",
    "prompts.jsonl": '{"filename": "a.txt", "begin": 0, "end": 7, "prompt": {"text": "the cat", "toxicity": 0.1}}\n',
    "determiner_noun_agreement_1.jsonl": pair("determiner_noun_agreement_1", "the cat ran", "the cats ran"),
    "passive_1.jsonl": pair("passive_1", "the dog sat", "the dog sit"),
    "toxicity.csv": "id,score\na-0-7,0.25\na-0-7,0.5\n",
}


def documented() -> dict[Path, list[str]]:
    """The commands of each page, each once, in the order a reader meets them; comments are cut off."""
    met: set[str] = set()
    found: dict[Path, list[str]] = {}
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        lines = [line.strip() for block in FENCE.findall(page.read_text())
                 for line in block.replace("\\\n", " ").splitlines()]  # fmt: skip
        commands = [line.removeprefix("$ ").split("  #")[0].strip() for line in lines]
        new = dict.fromkeys(one for one in commands if one.startswith("headscope ") and one not in met)
        met.update(new)
        found[page.relative_to(ROOT)] = list(new)
    return found


def documented_suite() -> str:
    """The suite of tests that the documentation shows."""
    found = re.search(r"^```yaml\n(name: basics\n.*?)^```", (ROOT / "docs" / "behaviour.md").read_text(), re.M | re.S)
    assert found is not None
    return found[1]


def furnish(folder: Path, model: Path) -> Path:
    """Fill `folder` with the files, the model and the store that the documentation takes for granted."""
    (folder / "models").mkdir()
    build_small_sets(folder / "ours")
    wheel(folder)
    (folder / "models" / "gpt2").symlink_to(model)
    (folder / "my_prompts.csv").write_text("text,target\nthe cat, sat\nthe dog, ran\n")
    (folder / "my_prompts.jsonl").write_text('{"text": "the cat"}\n')
    (folder / "my_prompts.txt").write_text("the cat\n")
    (folder / "my.plan").write_text(
        "--prompts my_prompts.csv --model gpt2\n--prompts my_prompts.txt --model gpt2 --experiment second\n"
    )
    (folder / "my_suite.yaml").write_text(documented_suite())
    for name, content in PUBLISHED.items():
        (folder / name).write_text(content)
    kept = run("headscope datasets import crows_pairs crows_pairs_anonymized.csv", folder)
    assert kept.returncode == 0, kept.stderr
    crows = run("headscope run --prompts crows_pairs --experiment crows_pairs", folder)
    assert crows.returncode == 0, crows.stderr
    for experiment in ("default", "behaviour", "first"):  # the store that later commands read
        made = run(f"headscope run --prompts my_prompts.csv --experiment {experiment}", folder)
        assert made.returncode == 0, made.stderr
    return folder


def run(command: str, folder: Path) -> Done:
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    if words[0] == "run" and "--model" not in words and "--resume" not in words:
        words += ["--model", "gpt2"]
    environment = {
        **os.environ,
        "HEADSCOPE_MODEL_DIR": str(folder / "models"),
        "HEADSCOPE_PROMPT_SETS": str(folder / "sets"),
    }
    if "bilstm" in words or "convert" in words:  # never in place of the one that this user converted
        environment["HEADSCOPE_CACHE_DIR"] = str(folder / "cache")
    environment.pop("HEADSCOPE_STORE", None)  # what a reader does not have
    return headscope_forked(*words, stdin="the cat\n", cwd=folder, env=environment, sets=folder / "ours")


def check(command: str, workplace: Path, api: Callable[[], str]) -> None:
    """Run a command and hold its exit code to what a reader would meet; skipped where it cannot run here."""
    if command.startswith("headscope serve"):
        pytest.skip("serving is tested in test_command_line.py: this one would not return")
    if command.startswith("headscope models pull") and "smollm2" not in command:
        pytest.skip("needs the model hub")
    if "postgresql://" in command:
        pytest.skip("the address is the reader's own; PostgreSQL is tested in the contract tests")
    if "http://127.0.0.1:8000/v1" in command:
        command = command.replace("http://127.0.0.1:8000/v1", api())
    done = run(command, workplace)
    if "--resume" in command:
        assert done.returncode == 1
        assert "no unfinished job" in done.stderr
    elif "--suite" in command:  # the tiny model knows nothing
        assert done.returncode == 3, done.stderr
    else:
        assert done.returncode == 0, done.stderr
