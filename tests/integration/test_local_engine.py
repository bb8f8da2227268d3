"""The worker processes behind the server, with a real tiny model."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.engines.local import LocalEngine
from headscope.analysis.errors import BackendError, HeadscopeError
from headscope.analysis.types import ModelRef, Prompt, PromptSet, RunSpec, RunStatus
from headscope.analysis.types.live import LiveRequest
from headscope.analysis.types.patching import PatchRequest
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.sql import readonly


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine()
    yield engine
    engine.close()


def spec(model: Path, *texts: str) -> RunSpec:
    prompts = tuple(Prompt(str(index), text) for index, text in enumerate(texts))
    return RunSpec(ModelRef(str(model)), prompts, ("heads", "saliency", "attention"))


def test_a_worker_gives_what_this_process_would_give(engine: LocalEngine, tiny_gpt2_dir: Path) -> None:
    wanted = spec(tiny_gpt2_dir, "the cat sat", "", "the dog ran far away")
    here, there = InlineEngine(), engine
    prepared = there.prepare(wanted, 2)
    assert prepared == here.prepare(wanted, 2)
    assert sorted(index for batch in prepared.batches for index in batch) == [0, 1, 2]
    assert len(set(prepared.keys)) == 3
    for local, inline in zip(
        there.run_batch(wanted, wanted.prompts), here.run_batch(wanted, wanted.prompts), strict=True
    ):
        assert (local.status, local.error, local.result_key) == (inline.status, inline.error, inline.result_key)
        assert local.result_key == prepared.keys[int(local.prompt.id)]
        if local.status is RunStatus.SUCCEEDED:
            assert local.heads is not None
            assert inline.heads is not None
            np.testing.assert_allclose(local.heads.entropy, inline.heads.entropy, rtol=1e-5)
            assert local.attention is not None
            assert local.attention.dtype == np.float16
    assert local.status is RunStatus.SUCCEEDED


def test_errors_come_back_as_they_were(engine: LocalEngine) -> None:
    with pytest.raises(HeadscopeError, match="no-such-model"):
        engine.prepare(spec(Path("no-such-model"), "x"), 1)


def test_typed_prompts_do_not_wait_for_jobs(engine: LocalEngine, tiny_gpt2_dir: Path) -> None:
    long = spec(tiny_gpt2_dir, *(f"the cat number {n} sat on the mat" for n in range(200)))
    engine.prepare(long, 1)
    request = LiveRequest(str(tiny_gpt2_dir), "the cat")
    engine.live(request)  # both workers are up
    finished: list[str] = []

    def work() -> None:
        for prompt in long.prompts:
            engine.run_batch(long, [prompt])
        finished.append("job")

    thread = threading.Thread(target=work)
    thread.start()
    result = engine.live(request)
    finished.append("live")
    thread.join()
    assert finished == ["live", "job"]
    assert result.attention.shape == (3, 4, len(result.trace.tokens), len(result.trace.tokens))


def test_patching_is_done_by_the_worker_of_typed_prompts(engine: LocalEngine, tiny_gpt2_dir: Path) -> None:
    request = PatchRequest(str(tiny_gpt2_dir), "the river ran", "the bread ran", cell=(1, 2))
    found = engine.patch(request)
    np.testing.assert_allclose(found.patched, InlineEngine().patch(request).patched, atol=1e-5)
    with pytest.raises(HeadscopeError, match="same number"):
        engine.patch(PatchRequest(str(tiny_gpt2_dir), "the river ran", "the bread"))


def test_a_killed_worker_is_explained_and_replaced(tiny_gpt2_dir: Path) -> None:
    engine = LocalEngine()
    try:
        request = LiveRequest(str(tiny_gpt2_dir), "the cat")
        before = workers()
        engine.live(request)
        (worker,) = workers() - before
        worker.kill()
        with pytest.raises(BackendError, match=r"ran out of memory|ended"):
            engine.live(request)
        assert engine.live(request).trace.tokens.text == "the cat"
    finally:
        engine.close()


def workers() -> set[psutil.Process]:
    """The processes that compute for this one: on Linux forked from the one that has imported torch."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if "spawn_main" in " ".join(child.cmdline()) or "forkserver" in " ".join(child.parent().cmdline()):
                found.add(child)
    return found


def test_two_workers_share_a_job_and_every_prompt_is_stored_once(tiny_gpt2_dir: Path, tmp_path: Path) -> None:
    prompts = tuple(Prompt(str(n), f"the cat number {n} sat on" + " the" * (n % 5)) for n in range(15))
    prompts = (*prompts, Prompt("empty", ""))
    prompt_set = PromptSet("own", "1", "MIT", "test", "0" * 64, prompts)
    request = JobRequest("shared", str(tiny_gpt2_dir), prompt_set, ("heads", "saliency"), batch_size=2)
    engine = LocalEngine(workers=2)
    before, mine = workers(), set[psutil.Process]()
    try:
        with Store.open(f"duckdb:///{tmp_path / 'a.duckdb'}") as store:
            seen = lambda *_: mine.update(workers() - before)  # noqa: E731
            stopped = run_job(engine, store, request, seen, should_stop=lambda: bool(mine))
            assert stopped.status is RunStatus.CANCELLED
            assert 0 < stopped.progress.done < len(prompts)
            ended = run_job(engine, store, request, seen)
            assert ended.status is RunStatus.SUCCEEDED
            assert (ended.progress.done, ended.progress.failed) == (16, 1)
            assert ended.progress.cached == stopped.progress.done - stopped.progress.failed
            assert len(mine) >= 2
    finally:
        engine.close()
    counted = readonly.run(
        f"duckdb:///{tmp_path / 'a.duckdb'}",
        "SELECT count(DISTINCT prompt_key) AS n FROM runs WHERE status = 'succeeded'",
    )
    assert counted.table.column("n").to_pylist() == [15]


def test_closing_ends_the_processes(tiny_gpt2_dir: Path) -> None:
    before = workers()
    engine = LocalEngine()
    engine.live(LiveRequest(str(tiny_gpt2_dir), "the cat"))
    mine = workers() - before
    assert len(mine) == 1
    engine.close()
    gone, alive = psutil.wait_procs(mine, timeout=60)
    assert (len(gone), alive) == (1, [])


def test_a_worker_has_the_threads_and_the_environment_of_its_owner(
    tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the owner set after the process that imports torch had started included."""
    threads = torch.get_num_threads() + 1  # not what torch would take by itself
    with monkeypatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 2 * threads)
        engine = LocalEngine(workers=2)
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(tiny_gpt2_dir.parent))
    named = spec(Path(tiny_gpt2_dir.name), "the cat")
    try:
        assert engine.prepare(named, 1).keys == engine.prepare(spec(tiny_gpt2_dir, "the cat"), 1).keys
        (result,) = engine.run_batch(named, named.prompts)
    finally:
        engine.close()
    assert result.capsule["threads"] == threads
