"""One writer and 20 readers through the server for two minutes: errors (must be none), lost runs (none), read times.

The writer is `headscope run` handing jobs to the server; readers load what pages and programs load: the newest
runs, whole runs, and attention. `SECONDS=10` in the environment shortens it.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow as pa
import requests

from benchmarks.harness import summary, write_result
from headscope.storage import owner
from headscope.storage.owner import Owner

SECONDS = float(os.environ.get("SECONDS", "120"))
READERS = 20
NEWEST = "SELECT id FROM runs WHERE status = 'succeeded' ORDER BY created_at DESC LIMIT 50"
HEADSCOPE = str(Path(sys.executable).with_name("headscope"))


class Readers:
    """20 threads, each with its own connection, reading until told to stop."""

    def __init__(self, holder: Owner) -> None:
        self._url, self._stop = holder.url, threading.Event()
        self._headers = {"Authorization": f"Bearer {holder.token}"}
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._read, args=(seed,)) for seed in range(READERS)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, seed: int) -> None:
        session, chooser, ids = requests.Session(), random.Random(seed), []
        session.trust_env = False
        session.headers.update(self._headers)
        while not self._stop.is_set():
            started = time.perf_counter()
            try:
                if not ids or chooser.random() < 0.3:
                    response = session.post(f"{self._url}/api/v1/sql", json={"statement": NEWEST}, timeout=30)
                    ids = pa.ipc.open_stream(response.content).read_all()["id"].to_pylist() if response.ok else ids
                else:
                    part = chooser.choice(("export.json", "attention.safetensors?layer=0"))
                    response = session.get(f"{self._url}/api/v1/runs/{chooser.choice(ids)}/{part}", timeout=30)
                self.seconds.append(time.perf_counter() - started)
                if response.status_code != 200:
                    self.errors.append(f"HTTP {response.status_code} {response.url} {response.text[:200]}")
            except requests.RequestException as error:
                self.errors.append(str(error))


def write_until(deadline: float, store: Path, model: str, folder: Path) -> int:
    """Hand one job of 64 new prompts after another to the server; returns how many prompts were said to be stored."""
    stored = 0
    for batch in itertools.count():
        if time.monotonic() > deadline:
            return stored
        prompts = folder / f"{batch}.txt"
        prompts.write_text("".join(f"the cat number {batch} {n} sat on the mat\n" for n in range(64)))
        done = subprocess.run(
            [HEADSCOPE, "run", "--prompts", str(prompts), "--model", model, "--store", str(store), "--analyses", "all"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = re.search(r"(\d+) succeeded", done.stderr)
        stored += int(found[1]) if found else 0
    raise AssertionError("unreachable")


def main() -> None:
    from tests.tiny_models import build_tiny_gpt2

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, model = folder / "runs.duckdb", str(build_tiny_gpt2(folder / "tiny-gpt2"))
        server = subprocess.Popen(
            [HEADSCOPE, "serve", "--store", str(store), "--port", "0", "--live-model", "none"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        server.stdout.readline()  # it is up
        holder = owner.read(store)
        assert holder is not None
        try:
            with Readers(holder) as readers:
                stored = write_until(time.monotonic() + SECONDS, store, model, folder)
        finally:
            server.terminate()
            server.wait(60)
        counted = subprocess.run(
            [HEADSCOPE, "sql", "SELECT count(*) AS n FROM runs WHERE status = 'succeeded'", "--store", str(store),
             "--format", "json"], capture_output=True, text=True, check=True,
        )  # fmt: skip
    kept = json.loads(counted.stdout)[0]["n"]
    write_result("served_store", {
        "seconds": SECONDS, "readers": READERS, "reads": len(readers.seconds), "read": summary(readers.seconds),
        "errors": len(readers.errors), "first_errors": readers.errors[:3],
        "runs_reported": stored, "runs_in_store": kept, "lost_runs": stored - kept,
    })  # fmt: skip


if __name__ == "__main__":
    main()
