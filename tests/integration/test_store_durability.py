"""kill -9 in the middle of saving: the store opens, and every run in it is whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headscope.analysis.types import RunStatus
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter

SIZE = 3
MOMENTS = ("file", "first-statement", "half-of-the-statements", "last-statement", "commit", "committed")
PROGRAM = f"""
import os, signal, sys, threading
sys.path.append({str(Path(__file__).parents[2])!r})
import sqlalchemy as sa
from tests.factories import make_info, make_prompt, make_result, make_set
from headscope.storage.artifacts import ArtifactFolder
from headscope.storage.repository import Store

def die():
    os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:  # a process for each, which need not import all this anew
    url, moment, seed = line.split()
    seed = int(seed)
    if not (child := os.fork()):
        break
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()

with Store.open(url) as store:
    job = store.start_job(experiment="e", model="tiny", spec={{}}, total=0)

    def save(batch):
        prompts = [make_prompt(f"{{batch}}-{{i}}", f"text {{batch}} {{i}}") for i in range({SIZE})]
        results = [make_result(prompt, seed=batch, attention=True) for prompt in prompts]
        store.save(job, make_info(), make_set(*prompts), ["heads"], 0, results)

    seen = []

    def count(*told):
        if threading.current_thread() is threading.main_thread():  # not the job's heartbeat
            seen.append(1)

    save(seed)  # names the model and the experiment, which later batches find there
    sa.event.listen(store.engine, "before_cursor_execute", count)
    save(seed + 1)
    print("saved", flush=True)
    at = {{"first-statement": 1, "half-of-the-statements": len(seen) // 2, "last-statement": len(seen)}}.get(moment, 0)
    seen.clear()
    if at:
        sa.event.listen(store.engine, "before_cursor_execute", lambda *told: die() if len(seen) == at else None)
    if at or moment == "commit":  # at the latest: one run in 128 needs a statement more (`head_values`)
        sa.event.listen(store.engine, "commit", lambda connection: die())
    if moment == "file":
        put, files = ArtifactFolder.put_attention, []
        ArtifactFolder.put_attention = lambda *given: (files.append(1), die() if files[1:] else put(*given))[1]
    save(seed + 2)
    print("saved", flush=True)
    die()
"""


@pytest.fixture
def writer() -> Iterator[subprocess.Popen[str]]:
    """The program, waiting to be told a store, a moment and a number."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def killed(writer: subprocess.Popen[str], url: str, moment: str, number: int) -> int:
    """Write until killed at the moment; how many batches were told to be saved."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(f"{url} {moment} {number}\n")
    writer.stdin.flush()
    told = [writer.stdout.readline()]
    while told[-1] == "saved\n":
        told.append(writer.stdout.readline())
    assert told.pop() == f"ended {-signal.SIGKILL}\n"
    return len(told)


def test_a_killed_writer_leaves_whole_runs(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "artifacts"))
    writer = request.getfixturevalue("writer")
    batches = 0
    for number, moment in enumerate(MOMENTS):
        told = killed(writer, store_url, moment, 10 * number)
        assert told == (2 if moment == "committed" else 1), f"not killed at: {moment}"
        batches += 1 + told
        with Store.open(store_url) as store:
            assert store.check() == []
            page = store.runs_page(RunFilter(), (), 0, 10_000)
            assert page.total == batches * SIZE, f"killed at {moment}: saved runs are lost, or half a batch was kept"
            assert page.total == len(page.rows)
            for row in page.rows[:SIZE]:
                detail = store.run(row.id)
                assert detail.trace is not None
                assert len(detail.attributions) == 3
                assert store.attention(row.id) is not None
            assert [job.status for job in store.jobs()] == [RunStatus.INTERRUPTED] * (number + 1)
