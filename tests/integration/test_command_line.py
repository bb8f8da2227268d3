"""`headscope` as a user types it, in processes of its own, with a real (tiny) GPT-2-architecture model."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from storage import owner

HEADSCOPE = str(Path(sys.executable).with_name("headscope"))
FAST = "heads,layers,saliency"


def headscope(*arguments: str, stdin: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HEADSCOPE, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )


def count(store: Path, where: str = "true") -> int:
    done = headscope("sql", f"SELECT count(*) AS n FROM runs WHERE {where}", "--store", str(store), "--format", "json")
    assert done.returncode == 0, done.stderr
    n: int = json.loads(done.stdout)[0]["n"]
    return n


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.txt"
    path.write_text("".join(f"the cat number {n} sat on the mat\n" for n in range(300)))
    return path


def start_run(store: Path, prompts: Path, model: Path) -> subprocess.Popen[str]:
    """A run that has stored its first batches and is still at work."""
    process = subprocess.Popen(
        [HEADSCOPE, "run", "--prompts", str(prompts), "--model", str(model), "--store", str(store),
         "--batch-size", "2", "--analyses", "standard"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(r"[1-9]\d*/300", line):
            return process
    raise AssertionError(f"the run ended before it made progress: {process.wait()}")


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
    rest = process.stderr.read()
    assert process.wait(60) == 130
    assert "stopping after this batch" in rest
    assert "--resume" in rest
    stored = count(store)
    assert 0 < stored < 300
    resumed = headscope("run", "--resume", "--store", str(store))
    assert resumed.returncode == 0, resumed.stderr
    assert f"{300 - stored} succeeded, 0 failed, {stored} already there" in resumed.stderr
    assert count(store, "status = 'succeeded'") == 300
    again = headscope("run", "--resume", "--store", str(store))
    assert again.returncode == 1
    assert "no unfinished job" in again.stderr


def test_kill_9_leaves_every_finished_run_whole(tmp_path: Path, many: Path, tiny_gpt2_dir: Path) -> None:
    store = tmp_path / "runs.duckdb"
    process = start_run(store, many, tiny_gpt2_dir)
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    checked = headscope("db", "check", "--store", str(store))
    assert checked.stdout.strip() == "no problems found", checked.stdout + checked.stderr
    stored = count(store)
    assert 0 < stored < 300
    typo = headscope("run", "--prompts", str(many), "--model", "no-such-model", "--store", str(store))
    assert typo.returncode == 1
    assert "no-such-model" in typo.stderr
    listed = headscope("jobs", "--store", str(store), "--format", "json")
    (job,) = json.loads(listed.stdout)  # the misspelt one was refused before it was a job
    assert (job["status"], job["total"], job["error"]) == ("interrupted", 300, None), listed.stderr
    resumed = headscope("run", "--resume", "--store", str(store))
    assert resumed.returncode == 0, resumed.stderr
    assert f"going on with job {job['id']}" in resumed.stderr
    assert count(store, "status = 'succeeded'") == 300


def test_a_second_process_is_told_who_holds_the_file(tmp_path: Path, many: Path, tiny_gpt2_dir: Path) -> None:
    store = tmp_path / "runs.duckdb"
    process = start_run(store, many, tiny_gpt2_dir)
    try:
        refused = headscope("sql", "SELECT 1", "--store", str(store))
        assert refused.returncode == 1
        assert str(process.pid) in refused.stderr
        assert "headscope run" in refused.stderr
        assert "Traceback" not in refused.stderr
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str, subprocess.Popen[str]]]:
    store = tmp_path / "served.duckdb"
    process = subprocess.Popen(
        [HEADSCOPE, "serve", "--store", str(store), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None, process.wait()
    yield store, found[0], process
    process.terminate()
    process.wait(40)
    process.stdout.close()


def test_work_on_a_served_file_is_handed_to_the_server(
    server: tuple[Path, str, subprocess.Popen[str]], many: Path, tiny_gpt2_dir: Path
) -> None:
    store, url, process = server
    done = headscope("run", "--prompts", str(many), "--model", str(tiny_gpt2_dir), "--store", str(store),
                     "--analyses", FAST, "--batch-size", "64")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "300 succeeded, 0 failed" in done.stderr
    assert count(store) == 300
    unknown = headscope("run", "--prompts", str(many), "--model", "no-such-model", "--store", str(store))
    assert unknown.returncode == 1
    assert "no-such-model" in unknown.stderr
    assert requests.post(f"{url}/api/v1/jobs", json={}, timeout=5).status_code in {401, 403}
    assert requests.get(f"{url}/api/v1/jobs/x", timeout=5).status_code == 401
    note = owner.read(store)
    assert note is not None
    allowed = {"Authorization": f"Bearer {note.token}"}
    assert requests.post(f"{url}/api/v1/jobs", json={}, headers=allowed, timeout=5).status_code == 400
    assert requests.get(f"{url}/api/v1/jobs/x", headers=allowed, timeout=5).status_code == 404
    process.terminate()
    assert process.wait(40) == 0
    assert not owner.note_path(store).exists()
    assert count(store) == 300


def test_the_server_never_loads_torch(server: tuple[Path, str, subprocess.Popen[str]]) -> None:
    store, url, _ = server
    assert requests.get(url, timeout=10).status_code == 200
    note = owner.read(store)
    assert note is not None
    maps = Path(f"/proc/{note.pid}/maps")
    if not maps.exists():
        pytest.skip("this system has no /proc")
    assert "libtorch" not in maps.read_text()


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
def test_what_is_wrong_is_said_in_a_line_or_two(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    environment = {**os.environ, "HEADSCOPE_STORE": str(tmp_path / "s.duckdb")}
    done = subprocess.run(
        [HEADSCOPE, *arguments], input="the cat\n", capture_output=True, text=True, timeout=60, check=False,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error:")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_help_answers_without_loading_a_model_library() -> None:
    code = "import sys; sys.argv = ['headscope', '--help']\nfrom analysis.cli import main\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "try: main()\nfinally: assert 'torch' not in sys.modules"],
        capture_output=True, text=True, timeout=60, check=False,
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
