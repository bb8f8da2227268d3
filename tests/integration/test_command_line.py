"""`headscope` as a user types it, with a real (tiny) GPT-2-architecture model."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headscope.analysis.running.preflight import Preflight
from headscope.analysis.types import RunStatus
from headscope.cli import handover
from headscope.jobs.request import JobRequest
from headscope.storage import owner
from headscope.storage.repository import Store
from tests.cli import GUARD, Done, headscope
from tests.factories import make_prompt, make_set

FAST = "heads,layers,saliency"
MANY = 20


def count(store: Path, where: str = "true") -> int:
    done = headscope("sql", f"SELECT count(*) AS n FROM runs WHERE {where}", "--store", str(store), "--format", "json")
    assert done.returncode == 0, done.stderr
    n: int = json.loads(done.stdout)[0]["n"]
    return n


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.txt"
    path.write_text("".join(f"the cat number {n} sat on the mat\n" for n in range(MANY)))
    return path


HELD = """
import sys
from headscope.analysis.imports import importing
with importing("headscope.analysis.engines.inline"):
    from headscope.analysis.engines.inline import InlineEngine
compute, begun = InlineEngine.run_batch, []
def held(self, spec, prompts, on_beat=None):
    begun.append(prompts)
    if len(begun) == 3:
        print("third batch", flush=True)
        sys.stdin.readline()
    return compute(self, spec, prompts, on_beat)
InlineEngine.run_batch = held
from headscope.__main__ import main
main()
"""


def start_run(store: Path, prompts: Path, model: Path) -> subprocess.Popen[str]:
    """A run that has stored two batches of two, and stays in the third until a line is sent to it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, "run", "--prompts", str(prompts), "--model", str(model), "--store", str(store),
         "--batch-size", "2", "--analyses", FAST],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "third batch\n", process.communicate()
    return process


def test_a_run_stores_every_prompt_and_the_second_time_computes_nothing(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    store, prompts = tmp_path / "runs.duckdb", tmp_path / "p.jsonl"
    rows = [{"id": "a", "text": "the cat sat on"}, {"id": "b", "text": "the dog", "target": " sat", "foil": " ran"},
            {"id": "empty", "text": ""}, {"id": "long", "text": "cat " * 200},
            {"id": "no-target", "text": "the cat", "foil": " ran"}]  # fmt: skip
    prompts.write_bytes(
        b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b'{"id": "bytes", "text": "\xff"}\n'
    )
    command = ("run", "--prompts", str(prompts), "--model", str(tiny_gpt2_dir), "--store", str(store), "--analyses",
               "standard", "--max-new-tokens", "3", "--experiment", "first")  # fmt: skip
    first = headscope(*command)
    assert first.returncode == 0, first.stderr
    assert "2 succeeded, 4 failed, 0 already there" in first.stderr
    query = "SELECT prompt_key, status, error_kind FROM runs ORDER BY prompt_key"
    table = headscope("sql", query, "--store", str(store), "--format", "csv")
    assert [",".join(row) for row in csv.reader(table.stdout.splitlines())][1:] == [
        "a,succeeded,", "b,succeeded,", "bytes,failed,not_utf8", "empty,failed,empty", "long,failed,too_long",
        "no-target,failed,target_missing",
    ]  # fmt: skip
    second = headscope(*command)
    assert "0 succeeded, 4 failed, 2 already there" in second.stderr
    assert count(store) == 6
    for view in ("v_tokens", "v_heads", "v_layers", "v_attribution_scores", "v_runs"):
        shown = headscope("sql", f"SELECT count(*) FROM {view}", "--store", str(store), "--format", "csv")
        assert int(shown.stdout.split()[1]) > 0, view
    assert headscope("db", "check", "--store", str(store)).stdout.strip() == "no problems found"


def test_prompts_come_from_standard_input(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    done = headscope("run", "--prompts", "-", "--model", str(tiny_gpt2_dir), "--store", str(tmp_path / "s.duckdb"),
                     "--analyses", "heads", stdin="the cat\nthe dog\n")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 succeeded" in done.stderr


def test_ctrl_c_stops_after_the_batch_and_resume_goes_on(tmp_path: Path, many: Path, tiny_gpt2_dir: Path) -> None:
    store = tmp_path / "runs.duckdb"
    process = start_run(store, many, tiny_gpt2_dir)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    said = iter(process.stderr.readline, "")
    assert any("stopping after this batch" in line for line in said)  # the signal was met inside the third batch
    _, rest = process.communicate("go on\n", timeout=GUARD)
    assert process.returncode == 130
    assert "--resume" in rest
    assert count(store) == 6
    resumed = headscope("run", "--resume", "--store", str(store))
    assert resumed.returncode == 0, resumed.stderr
    assert f"{MANY - 6} succeeded, 0 failed, 6 already there" in resumed.stderr
    assert count(store, "status = 'succeeded'") == MANY
    again = headscope("run", "--resume", "--store", str(store))
    assert again.returncode == 1
    assert "no unfinished job" in again.stderr


def test_others_are_told_who_holds_the_file_and_kill_9_leaves_every_finished_run_whole(
    tmp_path: Path, many: Path, tiny_gpt2_dir: Path
) -> None:
    store = tmp_path / "runs.duckdb"
    process = start_run(store, many, tiny_gpt2_dir)
    try:
        refused = headscope("sql", "SELECT 1", "--store", str(store))
    finally:
        process.kill()
        process.communicate()
    assert refused.returncode == 1
    assert str(process.pid) in refused.stderr
    assert "headscope run" in refused.stderr
    assert "Traceback" not in refused.stderr
    checked = headscope("db", "check", "--store", str(store))
    assert checked.stdout.strip() == "no problems found", checked.stdout + checked.stderr
    assert count(store) == 4
    typo = headscope("run", "--prompts", str(many), "--model", "no-such-model", "--store", str(store))
    assert typo.returncode == 1
    assert "no-such-model" in typo.stderr
    listed = headscope("jobs", "--store", str(store), "--format", "json")
    (job,) = json.loads(listed.stdout)  # the misspelt one was refused before it was a job
    assert (job["status"], job["total"], job["error"]) == ("interrupted", MANY, None), listed.stderr
    resumed = headscope("run", "--resume", "--store", str(store))
    assert resumed.returncode == 0, resumed.stderr
    assert f"going on with job {job['id']}" in resumed.stderr
    assert count(store, "status = 'succeeded'") == MANY


def test_a_duckdb_store_is_not_served_to_the_network(tmp_path: Path) -> None:
    refused = headscope("serve", "--store", str(tmp_path / "s.duckdb"), "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "PostgreSQL" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--prompts", "no_such_set"), "no_such_set"),
        (("run",), "--prompts"),
        (("run", "--prompts", "-", "--analyses", "salienc"), "saliency"),
        (("run", "--prompts", "-", "--model", "gpt3"), "smollm2-135m-instruct"),
        (("run", "--prompts", "-", "--param", "saliency.nothing=1"), "nothing"),
        (("sql", "DROP TABLE runs"), "read"),
        (("models", "show", "gpt3"), "Available now: smollm2-135m-instruct"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_or_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.setenv("HEADSCOPE_STORE", str(tmp_path / "s.duckdb"))
    Store.open(str(tmp_path / "s.duckdb")).close()
    done = headscope(*arguments, stdin="the cat\n")
    assert done.returncode == 1
    assert done.stderr.startswith("error:")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        ((), "", "no prompts"),
        (("--prompts", "no_such_set"), "", "no_such_set"),
        (("--prompts", "-"), "", "input is empty"),
        (("--prompts", "-", "--model", "gpt3"), "a", "gpt3"),
        (("--prompts", "-", "--device", "cuda:99"), "a", "no device"),
        (("--prompts", "-", "--chat"), "a", "no chat template"),
        (("--prompts", "-", "--analyses", "salienc"), "a", "unknown analysis"),
        (("--prompts", "-", "--param", "saliency.nothing=1"), "a", "nothing"),
        (("--prompts", "-", "--explain", "continuation"), "a", "max-new-tokens"),
        (("--prompts", "-", "--experiment", " "), "a", "experiment"),
        (("--prompts", "-", "--name", "x" * 501), "a", "name"),
        (("--prompts", "-", "--content-filter", "perhaps"), "a", "rules per label"),
    ],
)
def test_a_refused_run_leaves_no_store_behind(
    tmp_path: Path, tiny_gpt2_dir: Path, arguments: tuple[str, ...], stdin: str, says: str
) -> None:
    model = () if "--model" in arguments else ("--model", str(tiny_gpt2_dir))
    done = headscope("run", *arguments, *model, "--store", str(tmp_path / "new" / "s.duckdb"), stdin=stdin)
    assert done.returncode == 1
    assert done.stderr.startswith("error:")
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_the_disk_cannot_hold_leaves_no_store_behind(
    tmp_path: Path, tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1)
    monkeypatch.setattr(handover.shutil, "disk_usage", lambda folder: full)
    done = headscope("run", "--prompts", "-", "--model", str(tiny_gpt2_dir), "--analyses", "heads",
                     "--store", str(tmp_path / "new" / "s.duckdb"), stdin="a cat")  # fmt: skip
    assert done.returncode == 1
    assert "0.0 GB are free beside" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_on_a_new_store_is_refused_before_it_loads_a_model(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    path = tmp_path / "new" / "s.duckdb"
    refused: list[Done] = []

    def second(needs: Preflight) -> None:
        """While the first has loaded its model and made no file yet."""
        refused.append(headscope("run", "--prompts", "-", "--model", "none", "--store", str(path), stdin="a"))
        assert not path.exists()

    request = JobRequest("e", str(tiny_gpt2_dir), make_set(make_prompt()), ("heads",))
    first = handover.run(str(path), request, lambda *_: None, lambda: False, on_prepared=second)
    assert first.status is RunStatus.SUCCEEDED
    assert (refused[0].returncode, count(path)) == (1, 1)
    assert f"{path} is held by headscope run (process {os.getpid()})" in refused[0].stderr
    assert owner.read(path) is None


def test_help_answers_without_loading_a_model_library() -> None:
    code = "import sys; sys.argv = ['headscope', '--help']\nfrom headscope.cli import main\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "try: main()\nfinally: assert 'torch' not in sys.modules"],
        capture_output=True, text=True, timeout=GUARD, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout


def test_what_the_content_filter_blocks_is_a_failed_run_without_its_text(tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    rude = "You are a stupid worthless idiot and everybody hates you"
    (tmp_path / "typed.txt").write_text(f"the cat sat\n{rude}\n")
    command = ["run", "--prompts", str(tmp_path / "typed.txt"), "--model", str(tiny_gpt2_dir), "--analyses", "heads",
               "--store", str(tmp_path / "f.duckdb")]  # fmt: skip
    done = headscope(*command, "--content-filter", "block")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 prompts blocked" in done.stderr
    query = "SELECT status, error_kind, text, error FROM runs ORDER BY status"
    shown = headscope("sql", query, "--store", str(tmp_path / "f.duckdb"), "--format", "json")
    failed, fine = json.loads(shown.stdout)
    assert (failed["status"], failed["error_kind"], failed["text"]) == ("failed", "blocked", "")
    assert "toxic" in failed["error"]
    assert fine["text"] == "the cat sat"
    assert all(rude.encode() not in path.read_bytes() for path in tmp_path.glob("f.duckdb*") if path.is_file())
    assert "rules per label" in headscope(*command, "--content-filter", "perhaps").stderr
