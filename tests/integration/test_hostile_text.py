"""Control characters in stored and file-given text are data: whatever command prints it, the terminal obeys none."""

from __future__ import annotations

import json
import re
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headscope.analysis.types import RunStatus
from headscope.cli import main
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_prompt, make_result, make_set

HOSTILE = "evil\x1b]0;owned\x07\x1b[2J\r\x08\x7f\x9b31m\u202egnp\u2028\u2066[red]:smile:"
ESCAPED = r"\x1b]0;owned\x07\x1b[2J\x0d\x08\x7f\x9b31m\u202egnp\u2028\u2066[red]:smile:"
NAMED = "evil\x1b[2J\x07\u202e"
"""Fit for a file's name."""
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile") / NAMED
    made.mkdir()
    row = {"id": HOSTILE, "text": HOSTILE, "target": HOSTILE, "foil": f"{HOSTILE}2", "tags": [HOSTILE]}
    (made / f"{NAMED}.jsonl").write_text(json.dumps(row) + "\n")
    (made / "broken.jsonl").write_text(json.dumps({**row, HOSTILE: 1}) + "\n" + json.dumps({"text": 3}) + "\n")
    (made / "bytes.csv").write_bytes(b"text\n" + HOSTILE.encode().replace(b"\r", b"") + b"\xff\n")
    (made / "model").mkdir()
    (made / "model" / f"{NAMED}-model").mkdir()
    (made / "model" / f"{NAMED}-model" / "config.json").write_text(json.dumps({"model_type": HOSTILE}))
    return made


@pytest.fixture(scope="module")
def store(folder: Path) -> str:
    """Two experiments of hostile names, models, sets, prompts and errors, one worse than the other."""
    path = str(folder / "runs.duckdb")
    with Store.open(path) as opened:
        for name, bad in ((f"{HOSTILE}A", 1), (f"{HOSTILE}B", 3)):
            prompts = [
                make_prompt(
                    f"{HOSTILE}{i}", f"The {HOSTILE} {i}", group=f"{HOSTILE}{i % 2}", pair_id=HOSTILE, tags=(HOSTILE,)
                )
                for i in range(8)
            ]
            results = [make_failure(p, kind=HOSTILE) if i < bad else make_result(p) for i, p in enumerate(prompts)]
            sets = make_set(*prompts, name=HOSTILE)
            job = opened.start_job(experiment=name, model=HOSTILE, spec={}, total=len(prompts))
            opened.save(job, make_info(HOSTILE), sets, ("heads",), 0, results)
            opened.finish_job(job, RunStatus.SUCCEEDED)
    return path


@pytest.fixture
def said(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[Callable[..., str]]:
    """stdout and stderr of `headscope ARGUMENTS`, as its entry point prints them."""
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(folder / "model"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["headscope", *arguments])
        with pytest.raises(SystemExit):
            main()
        return "".join(capfd.readouterr())

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


def unsafe(text: str) -> set[str]:
    return {c for c in text if c != "\n" and (unicodedata.category(c) in {"Cc", "Cs"} or BIDI.match(c))}


STORED = {
    "sql": ["sql", "SELECT * FROM runs"],
    "sql of columns": ["sql", f'SELECT 1 AS "{HOSTILE}"'],
    "sql that is wrong": ["sql", f"SELECT '{HOSTILE}' FROM \"{HOSTILE}\""],
    "check": ["check", "--baseline", f"{HOSTILE}A", "--candidate", f"{HOSTILE}B"],
    "check of none": ["check", "--baseline", HOSTILE, "--candidate", HOSTILE],
    "check by a rule": ["check", "--baseline", f"{HOSTILE}A", "--candidate", f"{HOSTILE}B", "--fail-on", HOSTILE],
    "detect": ["detect", "--experiment", f"{HOSTILE}A"],
    "detect of none": ["detect", "--experiment", HOSTILE],
    "score of none": ["score", "--experiment", HOSTILE, "--scorer", "linear"],
    "toxicity rates": ["toxicity", "rates", "--experiment", f"{HOSTILE}A"],
    "suites score": ["suites", "score", "truthfulqa", "--experiment", f"{HOSTILE}A"],
    "db check": ["db", "check"],
    "db upgrade": ["db", "upgrade"],
    "run without prompts": ["run"],
    "run of no file": ["run", "--prompts", HOSTILE],
    "run resumed": ["run", "--resume"],
    "serve a policy": ["serve", "--content-filter", HOSTILE],
}


@pytest.mark.parametrize("arguments", STORED.values(), ids=STORED)
def test_commands_on_a_store(said: Callable[..., str], store: str, arguments: list[str]) -> None:
    text = said(*arguments, "--store", store)
    assert text
    assert unsafe(text) == set()
    if HOSTILE in "".join(arguments) and arguments[0] != "check":
        assert r"\x1b]0;owned\x07" in text or (arguments[0] == "detect" and HOSTILE + "A" in arguments)


FILES = {
    "datasets show": ["datasets", "show", "{folder}/{name}.jsonl"],
    "datasets show of a broken one": ["datasets", "show", "{folder}/broken.jsonl"],
    "datasets show of bytes": ["datasets", "show", "{folder}/bytes.csv"],
    "datasets show of none": ["datasets", "show", "{folder}/none.jsonl"],
    "datasets import": ["datasets", "import", "hatecheck", "{folder}/{name}.jsonl"],
    "datasets import of a format": ["datasets", "import", HOSTILE, "{folder}/{name}.jsonl"],
    "models list": ["models", "list"],
    "models show": ["models", "show", HOSTILE],
    "models show of a folder": ["models", "show", "{folder}/model/{name}-model"],
    "models pull": ["models", "pull", HOSTILE],
    "run": ["run", "--prompts", "{folder}/{name}.jsonl", "--model", HOSTILE, "--store", "{folder}/run.duckdb"],
    "run of bytes": ["run", "--prompts", "{folder}/bytes.csv", "--model", HOSTILE, "--store", "{folder}/run.duckdb"],
    "suites score": ["suites", "score", "hatecheck", "--prompts", "hatecheck:{folder}/x.csv", "--scores", "{folder}/y"],
    "blackbox": ["blackbox", "--prompts", "{folder}/{name}.jsonl", "--api", "http://127.0.0.1:1/v1", "--model", HOSTILE,
                 "--dry-run"],
    "blackbox of an address": ["blackbox", "--prompts", "{folder}/{name}.jsonl", "--api", HOSTILE, "--model", "m"],
    "toxicity score": ["toxicity", "score", HOSTILE, "--classifier", "linear"],
    "toxicity of a classifier": ["toxicity", "score", "x", "--classifier", HOSTILE],
}  # fmt: skip


@pytest.mark.parametrize("arguments", FILES.values(), ids=FILES)
def test_commands_on_files_and_names(said: Callable[..., str], folder: Path, arguments: list[str]) -> None:
    text = said(*(part.replace("{folder}", str(folder)).replace("{name}", NAMED) for part in arguments))
    assert text
    assert unsafe(text) == set()


def test_what_was_in_the_text_is_seen(said: Callable[..., str], store: str) -> None:
    """Escaped, not lost; `[red]` and `:smile:` are no markup."""
    assert ESCAPED in said("sql", "SELECT prompt_set FROM v_runs LIMIT 1", "--store", store)


def test_data_formats_keep_it_exact(said: Callable[..., str], store: str) -> None:
    rows = json.loads(said("sql", "SELECT DISTINCT prompt_set FROM v_runs", "--store", store, "--format", "json"))
    assert rows == [{"prompt_set": HOSTILE}]
    assert HOSTILE in said("sql", "SELECT DISTINCT prompt_set FROM v_runs", "--store", store, "--format", "csv")
