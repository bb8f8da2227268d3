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
CONVERGED = (
    "SELECT outcome->>'converged' AS converged, count(*) AS n, "
    "round(avg(CAST(outcome->>'steps' AS INTEGER)), 1) AS steps FROM attributions "
    "WHERE method = 'integrated_gradients' GROUP BY 1 ORDER BY 1"
)


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
        runs = _rows(clone, "SELECT status, count(*) AS n FROM runs GROUP BY status ORDER BY status")
        converged = _rows(clone, CONVERGED)
    total = sum(seconds[step] for step in ("install", "model", "demo"))
    write_result("demo", {"seconds": seconds, "first_time_total_s": round(total, 1), "limit_s": 300,
                          "runs": runs, "integrated_gradients": converged})  # fmt: skip


def _rows(clone: Path, statement: str) -> list[str]:
    command = [".venv/bin/headscope", "sql", statement, "--format", "csv"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    main()
