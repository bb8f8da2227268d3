"""Preparing the embedded model in an empty cache, and loading it afterwards, each in a fresh process (limit: 3 s).

The libraries' import is timed apart: a process pays it once, whatever it loads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.harness import summary, write_result

CODE = """
import time
t = time.perf_counter()
from headscope.analysis.backends.hf_causal import HFCausalBackend
import transformers.models.llama.modeling_llama
imported = time.perf_counter()
HFCausalBackend.load('smollm2-135m-instruct')
print(imported - t, time.perf_counter() - imported)
"""
LOADS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "HEADSCOPE_CACHE_DIR": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled code is kept, as it is for a user
        found = [_seconds(environment) for _ in range(1 + LOADS)]
    write_result("model_load", {
        "first_time_with_conversion_s": round(found[0][1], 2), "import": summary([one for one, _ in found[1:]]),
        "later_load": summary([one for _, one in found[1:]]), "limit_ms": 3000,
    })  # fmt: skip


def _seconds(environment: dict[str, str]) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    imported, loaded = map(float, done.stdout.split())
    return imported, loaded


if __name__ == "__main__":
    main()
