"""A request larger than one HTTP body, handed to a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headscope.analysis.errors import HeadscopeError
from headscope.analysis.types import Prompt, RunStatus
from headscope.cli import handover
from headscope.jobs.request import JobRequest
from headscope.storage import served
from tests.factories import make_set

HEADSCOPE = str(Path(sys.executable).with_name("headscope"))
LONG = 200_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("parts") / "s.duckdb")
    command = [HEADSCOPE, "serve", "--store", path, "--port", "0", "--live-model", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert re.search("Headscope is at", process.stdout.readline())
        try:
            yield path
        finally:
            process.terminate()
            process.wait(60)


def request(model: Path, n: int) -> JobRequest:
    """`n` prompts of 200 KB, which no model reads: they fail, and that is quick."""
    prompts = tuple(Prompt(f"p{index}", "x" * LONG, invalid="not_utf8") for index in range(n))
    return JobRequest("large", str(model), make_set(*prompts), ("heads",))


def test_prompts_of_18_mb_arrive(store: str, tiny_gpt2_dir: Path) -> None:
    outcome = handover.run(store, request(tiny_gpt2_dir, 90), lambda job_id, progress: None, lambda: False)
    assert outcome.status is RunStatus.SUCCEEDED
    assert (outcome.progress.total, outcome.progress.done, outcome.progress.failed) == (90, 90, 90)
    server = served.server_of(store)
    assert server is not None
    table, _ = server.sql("SELECT count(*) AS n, max(ordinal) AS last FROM prompts")
    assert table.to_pylist() == [{"n": 90, "last": 89}]


@pytest.mark.parametrize(
    ("verb", "path", "body", "said"),
    [
        ("POST", "/api/v1/jobs", {"x": "x" * (16 * 2**20)}, "larger than the 16 MiB that one may be"),
        ("PUT", "/api/v1/jobs/parts/none/0", b"part", "begin again"),
        ("POST", "/api/v1/jobs/parts/none", b"", "begin again"),
        ("POST", "/api/v1/jobs", b"[1]", "must be JSON, sent as"),
        ("POST", "/api/v1/jobs", [1], "must be a JSON object"),
        ("POST", "/api/v1/jobs", {}, "not a job request"),
    ],
)
def test_what_is_refused_is_explained(store: str, verb: str, path: str, body: object, said: str) -> None:
    server = served.server_of(store)
    assert server is not None
    with pytest.raises(HeadscopeError, match=said):
        server.call(verb, path, **{"data" if isinstance(body, bytes) else "json": body})
