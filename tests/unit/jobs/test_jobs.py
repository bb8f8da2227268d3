"""Jobs in process: what is refused before there is a job, which one is gone on with, selections of several sets."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import BackendError, HeadscopeError, InputError, UnknownNameError
from headscope.analysis.types import Progress, Prompt, PromptSet, RunStatus
from headscope.cli import app
from headscope.dashboard.job_queue import JobQueue
from headscope.datasets import prompt_sets as catalogue
from headscope.jobs.job import run_job, to_resume
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from tests.databases import DuckDBFiles
from tests.factories import make_set

CATS = make_set(*(Prompt(f"p{n}", f"the cat number {n} sat") for n in range(4)), name="cats")


@pytest.fixture(scope="module")
def engine() -> InlineEngine:
    return InlineEngine()


@pytest.fixture
def store(tmp_path: Path, duckdb_files: DuckDBFiles) -> Iterator[Store]:
    with Store.open(duckdb_files.new(tmp_path)) as opened:
        yield opened


def request(model: Path | str, prompts: PromptSet = CATS, **changes: Any) -> JobRequest:
    return JobRequest("e", str(model), prompts, **{"analyses": ("heads",), "batch_size": 1, **changes})


WRONG: dict[str, tuple[dict[str, Any], type[HeadscopeError], str]] = {
    "model": ({"model": "no-such-model"}, BackendError, "no-such-model"),
    "prompts": ({"prompt_set": make_set(name="nothing")}, InputError, "'nothing' holds no prompts"),
    "analysis": ({"analyses": ("salienc",)}, UnknownNameError, "salienc"),
    "parameter": (
        {"analyses": ("integrated_gradients",), "params": {"integrated_gradients": {"stepz": 3}}},
        UnknownNameError,
        "stepz",
    ),
    "explain": ({"explain": "continuation"}, InputError, "max-new-tokens"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_run_leaves_no_job(engine: InlineEngine, store: Store, tiny_gpt2_dir: Path, what: str) -> None:
    changes, kind, message = WRONG[what]
    wrong = replace(request(tiny_gpt2_dir), **changes)
    with pytest.raises(kind, match=message):
        run_job(engine, store, wrong)
    jobs = JobQueue(engine, store)
    with pytest.raises(kind, match=message):
        jobs.submit(wrong)
    jobs.close()
    assert store.jobs() == ()


def stop_after(engine: InlineEngine, store: Store, asked: JobRequest, n: int) -> str:
    seen: list[Progress] = []
    outcome = run_job(engine, store, asked, lambda _, now: seen.append(now), lambda: seen[-1].done >= n)
    assert (outcome.status, outcome.progress.done) == (RunStatus.CANCELLED, n)
    return outcome.job_id


def leave(store: Store, job_id: str) -> None:
    """The job as a process that was killed leaves it."""
    store.claim_job(job_id, RunStatus.RUNNING)
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET pid = 4194305 WHERE id = '{job_id}'")
    store.release_jobs()


def test_the_server_goes_on_with_what_a_killed_one_left(
    engine: InlineEngine, store: Store, tiny_gpt2_dir: Path
) -> None:
    left = stop_after(engine, store, request(tiny_gpt2_dir), 2)
    leave(store, left)
    failed = store.start_job(experiment="e", model="gone", spec=request("gone").to_json(), total=4)
    store.finish_job(failed, RunStatus.FAILED, "no model")
    jobs = JobQueue(engine, store)
    assert jobs.resume().id == left
    deadline = time.monotonic() + 120
    while jobs.is_active(left):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    jobs.close()
    assert store.job(left).status is RunStatus.SUCCEEDED
    assert store.runs_page(RunFilter()).total == 4


def test_an_interruption_by_hand_is_no_failure(engine: InlineEngine, store: Store, tiny_gpt2_dir: Path) -> None:
    def stop(_job: str, now: Progress) -> None:
        if now.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(engine, store, request(tiny_gpt2_dir), stop)
    assert store.jobs()[0].status is RunStatus.CANCELLED


def test_which_job_is_gone_on_with(store: Store) -> None:
    def start(**spec: Any) -> str:
        return store.start_job(experiment="e", model="tiny", spec=spec, total=4)

    with pytest.raises(InputError, match="no unfinished job"):
        to_resume(store)
    at_work, failed, asked = start(), start(), start(params={"blackbox": {}})
    store.finish_job(failed, RunStatus.FAILED, "no model")
    store.finish_job(asked, RunStatus.CANCELLED)
    assert to_resume(store).id == failed
    assert to_resume(store, carried=lambda job: job == at_work).id == at_work
    assert to_resume(store, failed).id == failed
    with pytest.raises(InputError, match="headscope blackbox"):
        to_resume(store, asked)
    store.finish_job(failed, RunStatus.SUCCEEDED)
    with pytest.raises(InputError, match="nothing to go on with"):
        to_resume(store, failed)


def test_the_command_line_goes_on_with_a_named_job(engine: InlineEngine, tmp_path: Path, tiny_gpt2_dir: Path) -> None:
    url = str(tmp_path / "named.duckdb")
    with Store.open(url) as store:
        older = stop_after(engine, store, request(tiny_gpt2_dir), 1)
        newer = stop_after(engine, store, replace(request(tiny_gpt2_dir), experiment="other"), 1)
    command = CliRunner()
    done = command.invoke(app, ["run", "--resume", older, "--store", url])
    assert done.exit_code == 0, done.output
    assert f"going on with job {older}" in done.stderr
    listed = command.invoke(app, ["jobs", "--store", url, "--format", "json"])
    assert [(row["id"], row["status"], row["done"], row["total"]) for row in json.loads(listed.stdout)] == [
        (newer, "cancelled", 1, 4),
        (older, "succeeded", 4, 4),
    ]
    assert "cancelled" in command.invoke(app, ["jobs", "--store", url]).stdout
    for wrong, message in ((["run", older], "stands alone"), (["run", "--resume", "--model", "x"], "leave out")):
        refused = command.invoke(app, [*wrong, "--store", url])
        assert isinstance(refused.exception, InputError)
        assert message in str(refused.exception)


def test_listing_jobs_makes_no_store(tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["jobs", "--store", str(tmp_path / "none.duckdb")])
    assert "there is no store" in str(listed.exception)
    assert list(tmp_path.iterdir()) == []


def selection(*parts: PromptSet) -> PromptSet:
    prompts = tuple(replace(p, id=f"{part.name}/{p.id}", tags=(part.name,)) for part in parts for p in part.prompts[:3])
    return PromptSet("both", "1", "MIT", "", "x", prompts, parts=parts)


def test_runs_of_a_selection_are_runs_of_its_sets(engine: InlineEngine, store: Store, tiny_gpt2_dir: Path) -> None:
    dogs = make_set(*(Prompt(f"p{n}", f"the dog {n} ran") for n in range(5)), name="dogs", version="7")
    asked = request(tiny_gpt2_dir, selection(CATS, dogs))
    assert JobRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked
    job = stop_after(engine, store, asked, 4)
    done = run_job(engine, store, JobRequest.from_json(store.job(job).spec), job_id=job)
    assert (done.progress.done, done.progress.total, done.progress.cached) == (6, 6, 4)
    rows = store.runs_page(RunFilter()).rows
    assert Counter((row.prompt_set, row.tags) for row in rows) == {("cats", ()): 3, ("dogs", ()): 3}
    assert {row.prompt_key for row in rows} == {"p0", "p1", "p2"}
    sets = {row.name: row for row in store.overview().prompt_sets}
    assert [(row.version, row.sha256, row.n_prompts) for row in sets.values()] == [
        (CATS.version, CATS.sha256, 4),
        ("7", dogs.sha256, 5),
    ]
    whole = run_job(engine, store, request(tiny_gpt2_dir, dogs))  # the set itself, later: nothing twice
    assert (whole.progress.cached, whole.progress.done) == (3, 5)
    assert store.runs_page(RunFilter()).total == 8
    assert store.check() == []


def test_the_demo_brings_its_sets_along() -> None:
    demo = catalogue.load("demo")
    own = {f"{part.name}/{prompt.id}": prompt.text for part in demo.parts for prompt in part.prompts}
    assert [own[prompt.id] for prompt in demo.prompts] == [prompt.text for prompt in demo.prompts]
    for part in demo.parts:
        assert part == catalogue.load(part.name)
