"""kill -9 in the middle of saving: the store opens, and every run in it is whole."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from analysis.types import RunStatus
from storage.repository import Store
from storage.rows import RunFilter

SIZE = 3
PROGRAM = f"""
import sys, itertools
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]!r}
from factories import make_info, make_prompt, make_result, make_set
from storage.repository import Store
url, start = sys.argv[1], int(sys.argv[2])
with Store.open(url) as store:
    job = store.start_job(experiment="e", model="tiny", spec={{}}, total=0)
    print("ready", flush=True)
    for batch in itertools.count(start):
        prompts = [make_prompt(f"{{batch}}-{{i}}", f"text {{batch}} {{i}}") for i in range({SIZE})]
        results = [make_result(prompt, seed=batch, attention=True) for prompt in prompts]
        store.save(job, make_info(), make_set(*prompts), ["heads"], 0, results)
        print(batch, flush=True)
"""


def test_a_killed_writer_leaves_whole_runs(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "artifacts"))
    rng, saved = np.random.default_rng(0), 0
    for round_ in range(3):
        command = [sys.executable, "-c", PROGRAM, store_url, str(round_ * 10_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert process.stdout.readline().strip().isdigit()
            time.sleep(float(rng.uniform(0.0, 0.4)))
            process.send_signal(signal.SIGKILL)
            told = 1 + len(process.stdout.read().split())
        with Store.open(store_url) as store:
            assert store.check() == []
            page = store.runs_page(RunFilter(), (), 0, 10_000)
            assert page.total % SIZE == 0, "half a batch was kept"
            assert page.total >= saved + told * SIZE, "a run that save() had returned was lost"
            assert page.total == len(page.rows)
            for row in page.rows[:SIZE]:
                detail = store.run(row.id)
                assert detail.trace is not None
                assert len(detail.attributions) == 3
                assert store.attention(row.id) is not None
            assert [job.status for job in store.jobs()] == [RunStatus.INTERRUPTED] * (round_ + 1)
            saved = page.total
