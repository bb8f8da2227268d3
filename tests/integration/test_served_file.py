"""A store that a server holds: what is handed to the server, what it refuses, and what it leaves when it is stopped.

One server for all of them, and one worker: each would import torch for itself. The last test stops it.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from headscope.analysis.errors import HeadscopeError
from headscope.analysis.types import Prompt, RunStatus
from headscope.cli import handover
from headscope.jobs.request import JobRequest
from headscope.storage import owner, served
from tests.cli import GUARD, HEADSCOPE, Done, headscope
from tests.factories import make_set

LONG = 200_000
MANY = 20


@dataclass(frozen=True, slots=True)
class Serving:
    """A server of a new store, and prompts to hand to it."""

    store: Path
    url: str
    process: subprocess.Popen[str]
    prompts: Path


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("served")
    store, prompts = folder / "served.duckdb", folder / "many.txt"
    prompts.write_text("".join(f"the cat number {n} sat on the mat\n" for n in range(MANY)))
    process = subprocess.Popen(
        [HEADSCOPE, "serve", "--store", str(store), "--port", "0", "--live-model", "none"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    found = re.search(r"Headscope is at .*?(http://\S+)", process.stdout.readline())
    assert found is not None, process.wait()
    yield Serving(store, found[1], process, prompts)
    process.terminate()
    process.wait(GUARD)
    process.stdout.close()


@pytest.fixture(scope="module")
def handed_over(serving: Serving, tiny_gpt2_dir: Path) -> Done:
    """`headscope run` on the store that is held."""
    return run(serving, str(tiny_gpt2_dir))


def run(serving: Serving, model: str) -> Done:
    return headscope("run", "--prompts", str(serving.prompts), "--model", model, "--store", str(serving.store),
                     "--analyses", "heads,layers,saliency", "--batch-size", "8", "--experiment", "many")  # fmt: skip


def count(store: Path) -> int:
    query = "SELECT count(*) AS n FROM v_runs WHERE experiment = 'many'"
    done = headscope("sql", query, "--store", str(store), "--format", "json")
    assert done.returncode == 0, done.stderr
    n: int = json.loads(done.stdout)[0]["n"]
    return n


def test_work_on_a_served_file_is_handed_to_the_server(serving: Serving, handed_over: Done) -> None:
    store, url = serving.store, serving.url
    assert handed_over.returncode == 0, handed_over.stderr
    assert f"{MANY} succeeded, 0 failed" in handed_over.stderr
    assert f"{MANY} prompts in 3 batches" in handed_over.stderr  # what it will need is told here too
    assert count(store) == MANY
    listed = headscope("jobs", "--store", str(store), "--format", "json")
    (job,) = (one for one in json.loads(listed.stdout) if one["experiment"] == "many")
    assert (job["status"], job["total"], job["done"]) == ("succeeded", MANY, MANY), listed.stderr
    unknown = run(serving, "no-such-model")
    assert unknown.returncode == 1
    assert "no-such-model" in unknown.stderr
    assert requests.post(f"{url}/api/v1/jobs", json={}, timeout=GUARD).status_code in {401, 403}
    assert requests.get(f"{url}/api/v1/jobs/x", timeout=GUARD).status_code == 401
    note = owner.read(store)
    assert note is not None
    allowed = {"Authorization": f"Bearer {note.token}"}
    assert requests.post(f"{url}/api/v1/jobs", json={}, headers=allowed, timeout=GUARD).status_code == 400
    assert requests.get(f"{url}/api/v1/jobs/x", headers=allowed, timeout=GUARD).status_code == 404


def test_stored_runs_are_scored_by_the_server(serving: Serving, handed_over: Done) -> None:
    asked = ("score", "--experiment", "many", "--scorer", "linear", "--store", str(serving.store))
    done, again = headscope(*asked), headscope(*asked)
    assert done.returncode == 0, done.stderr
    assert f"{MANY} runs scored now by linear-toxicity-1" in done.stderr
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("linear-toxicity-1"))
    assert row[1:5] == ["prompt", "toxic", "0.50", str(MANY)]
    assert "Rogan and Gladen" in done.stdout
    assert "0 runs scored now" in again.stderr


def test_groups_are_compared_by_the_server(serving: Serving, tiny_gpt2_dir: Path) -> None:
    pairs = serving.store.parent / "pairs.jsonl"
    pairs.write_text("".join(
        json.dumps({"id": f"{i} {who}", "text": f"the {who} {what}", "target": " sat", "foil": " ran", "group": who,
                    "pair_id": str(i), "tags": ["animals"]}) + "\n"
        for i, what in enumerate(("sat", "ran", "on", "the", "mat", "sat on")) for who in ("cat", "dog")))  # fmt: skip
    store = str(serving.store)
    ran = headscope("run", "--prompts", str(pairs), "--model", str(tiny_gpt2_dir), "--store", store, "--analyses", "",
                    "--experiment", "pairs")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    asked = ("bias", "--experiment", "pairs", "--store", store)
    for done in (headscope(*asked), headscope(*asked)):
        assert done.returncode == 0, done.stderr
        assert "1 row kept in bias_results" in done.stderr
        row = next(line.split() for line in done.stdout.splitlines() if "cat - dog" in line)
    query = "SELECT e.effect, e.n_pairs, avg(b.difference) AS mean FROM v_bias_effects e JOIN v_bias b USING " \
            "(experiment, measure) WHERE e.experiment = 'pairs' AND e.measure = 'margin' GROUP BY ALL"  # fmt: skip
    (kept,) = json.loads(headscope("sql", query, "--store", store, "--format", "json").stdout)
    assert kept["n_pairs"] == 6
    assert kept["effect"] == pytest.approx(kept["mean"])
    assert f"{kept['effect']:+.3f}" in row
    unknown = headscope("bias", "--experiment", "nobody", "--store", store)
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr


def test_experiments_are_compared_by_the_server(serving: Serving, handed_over: Done, tiny_llama_dir: Path) -> None:
    assert handed_over.returncode == 0
    store = str(serving.store)
    ran = headscope("run", "--prompts", str(serving.prompts), "--model", str(tiny_llama_dir), "--store", store,
                    "--analyses", "heads,layers,saliency", "--experiment", "other")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    asked = ("check", "--baseline", "many", "--candidate", "other", "--store", store, "--fail-on", "flips:1,failed")
    report = json.loads(headscope(*asked, "--format", "json", "--server", serving.url).stdout)
    assert (report["n"], report["only_baseline"], report["states"]["tolerance"]) == (MANY, 0, None)
    query = "SELECT probe, experiment, avg(CASE WHEN label = 'passed' THEN 0 ELSE 1 END) AS share FROM probe_results " \
            "JOIN runs ON runs.id = run_id WHERE label IN ('passed', 'low', 'medium', 'high') GROUP BY ALL"  # fmt: skip
    rows = json.loads(headscope("sql", query, "--store", store, "--format", "json").stdout)
    shares = {(row["probe"], row["experiment"]): row["share"] for row in rows}
    judged = [row for row in report["changes"] if row["name"] == "detectors"]
    assert judged
    for row in judged:
        expected = [shares[row["part"], name] for name in ("many", "other")]
        assert [row["baseline"], row["candidate"]] == pytest.approx(expected)
    done = headscope(*asked)
    assert done.returncode == (3 if report["regressions"] else 0), done.stderr
    assert f"{MANY} prompts in both" in done.stdout
    address = f"{serving.url}/api/v1/regression/check.json?baseline=many&candidate=other&fail_on=flips:1,failed"
    assert requests.get(address, timeout=GUARD).json() == report
    unknown = headscope("check", "--baseline", "many", "--candidate", "nobody", "--store", store)
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr


def test_a_suite_of_tests_is_run_and_judged_by_the_server(serving: Serving, tiny_gpt2_dir: Path) -> None:
    suite = serving.store.parent / "animals.yaml"
    suite.write_text("name: animals\ntests:\n  - name: says\n    kind: functionality\n    examples:\n"
                     "      - {text: the cat, target: ' sat'}\n      - {text: the dog, target: ' ran'}\n")  # fmt: skip
    done = headscope("check", "--suite", str(suite), "--model", str(tiny_gpt2_dir), "--store", str(serving.store),
                     "--format", "json")  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    (test,) = json.loads(done.stdout)["tests"]
    assert (test["name"], test["n"], len(test["failures"])) == ("says", 2, test["failed"])


def test_a_published_set_is_run_and_scored_by_the_server(serving: Serving, tiny_gpt2_dir: Path) -> None:
    published = serving.store.parent / "crows.csv"
    published.write_text(",sent_more,sent_less,stereo_antistereo,bias_type\n0,the cat sat,the dog sat,stereo,age\n")
    command = ("suites", "run", "crows-pairs", str(published), "--model", str(tiny_gpt2_dir))
    for told in ("2 succeeded, 0 failed, 0 already there", "0 succeeded, 0 failed, 2 already there"):
        done = headscope(*command, "--store", str(serving.store), "--format", "json")
        assert done.returncode == 0, done.stderr
        assert told in done.stderr
    assert {row["n"] for row in json.loads(done.stdout)} == {1}


def test_a_model_is_checked_by_the_server_that_holds_the_file(
    serving: Serving, handed_over: Done, tiny_gpt2_dir: Path
) -> None:
    store, model = str(serving.store), str(tiny_gpt2_dir)
    assert handed_over.returncode == 0
    quick = (
        "SELECT bool_and(status = 'passed') AS passed, bool_or(whole) AS whole FROM v_model_checks WHERE kind = 'check'"
    )
    kept = headscope("sql", quick, "--store", store, "--format", "json")
    assert json.loads(kept.stdout) == [{"passed": True, "whole": False}]  # at the model's first load in this store
    checked = headscope("models", "check", model, "--store", store)
    assert checked.returncode == 0, checked.stderr
    assert "19 of 19 checks passed" in checked.stdout
    assert "19 of 19 checks passed" in headscope("models", "show", model, "--store", store).stdout


def large(model: Path, n: int) -> JobRequest:
    """`n` prompts of 200 KB, which no model reads: they fail, and that is quick."""
    prompts = tuple(Prompt(f"p{index}", "x" * LONG, invalid="not_utf8") for index in range(n))
    return JobRequest("large", str(model), make_set(*prompts, name="large"), ("heads",))


def test_prompts_of_18_mb_arrive(serving: Serving, tiny_gpt2_dir: Path) -> None:
    """A request larger than one HTTP body."""
    outcome = handover.run(str(serving.store), large(tiny_gpt2_dir, 90), lambda job_id, progress: None, lambda: False)
    assert outcome.status is RunStatus.SUCCEEDED
    assert (outcome.progress.total, outcome.progress.done, outcome.progress.failed) == (90, 90, 90)
    server = served.server_of(str(serving.store))
    assert server is not None
    table, _ = server.sql(
        "SELECT count(*) AS n, max(p.ordinal) AS last FROM prompts p JOIN prompt_sets s ON s.id = p.prompt_set_id "
        "WHERE s.name = 'large'"
    )
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
def test_what_is_refused_is_explained(serving: Serving, verb: str, path: str, body: object, said: str) -> None:
    server = served.server_of(str(serving.store))
    assert server is not None
    with pytest.raises(HeadscopeError, match=said):
        server.call(verb, path, **{"data" if isinstance(body, bytes) else "json": body})


def test_the_server_never_loads_torch(serving: Serving, handed_over: Done) -> None:
    assert requests.get(serving.url, timeout=GUARD).status_code == 200
    note = owner.read(serving.store)
    assert note is not None
    maps = Path(f"/proc/{note.pid}/maps")
    if not maps.exists():
        pytest.skip("this system has no /proc")
    assert "libtorch" not in maps.read_text()


def test_requests_that_never_arrive_keep_nobody_waiting(serving: Serving) -> None:
    """More of them than requests are answered at once, in the middle of a body and in the middle of their headers."""
    address = (urlsplit(serving.url).hostname, urlsplit(serving.url).port)
    heads = (
        b"POST /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n{",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: ",
    )
    with ExitStack() as stack:
        for head in heads:
            for _ in range(24):
                half = stack.enter_context(socket.create_connection(address))
                half.sendall(head)
        assert requests.get(serving.url, timeout=GUARD).status_code == 200
        half.shutdown(socket.SHUT_WR)
        assert half.recv(100) == b""  # given up, not answered


def test_a_stopped_server_leaves_the_file_to_others(serving: Serving, handed_over: Done) -> None:
    serving.process.terminate()
    assert serving.process.wait(GUARD) == 0
    assert not owner.note_path(serving.store).exists()
    assert count(serving.store) == MANY
