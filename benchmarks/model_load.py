"""Preparing the embedded model in an empty cache, and loading it afterwards, each in a fresh process (limit: 3 s)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.harness import summary, write_result

CODE = (
    "import time; from analysis.backends.hf_causal import HFCausalBackend; import transformers.models.llama;"
    "t = time.perf_counter(); HFCausalBackend.load('smollm2-135m-instruct'); print(time.perf_counter() - t)"
)
LOADS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "HEADSCOPE_CACHE_DIR": cache}
        seconds = [
            float(subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True,
                                 check=True).stdout) for _ in range(1 + LOADS)
        ]  # fmt: skip
    write_result("model_load", {
        "first_time_with_conversion_s": round(seconds[0], 2), "later_load": summary(seconds[1:]), "limit_ms": 3000,
    })  # fmt: skip


if __name__ == "__main__":
    main()
