"""How long `make demo SERVE=0` takes in a fresh clone with the package cache warm, step by step, and a second time."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.harness import write_result

ROOT = Path(__file__).parent.parent
STEPS = {
    "install": ["make", "--no-print-directory", ".venv/.app"],
    "model": [".venv/bin/headscope", "models", "pull", "smollm2-135m-instruct"],
    "demo": ["make", "--no-print-directory", "demo", "SERVE=0"],
    "demo again": ["make", "--no-print-directory", "demo", "SERVE=0"],
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "headscope"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = {"HEADSCOPE_CACHE_DIR": f"{name}/cache"}  # an empty model cache: the conversion counts
        seconds = {}
        for step, command in STEPS.items():
            started = time.monotonic()
            subprocess.run(["env", *(f"{k}={v}" for k, v in environment.items()), *command], cwd=clone, check=True)
            seconds[step] = round(time.monotonic() - started, 1)
        counted = subprocess.run(
            [".venv/bin/headscope", "sql", "SELECT status, count(*) AS n FROM runs GROUP BY status", "--store",
             ".demo/headscope.duckdb", "--format", "csv"], cwd=clone, capture_output=True, text=True, check=True,
        )  # fmt: skip
    total = sum(seconds[step] for step in ("install", "model", "demo"))
    write_result("demo", {"seconds": seconds, "first_time_total_s": round(total, 1), "limit_s": 300,
                          "runs": counted.stdout.split()})  # fmt: skip


if __name__ == "__main__":
    main()
