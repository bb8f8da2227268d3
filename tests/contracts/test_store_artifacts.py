"""Files of runs that are lost, damaged or nobody's, on both databases: what is served, mended and removed."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.errors import StorageError
from headscope.analysis.types import RunResult
from headscope.storage.artifacts import encode_attention
from headscope.storage.repository import Store
from tests.factories import make_attention, make_info, make_prompt, make_result, make_set

HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


@pytest.fixture
def store(store_url: str, folder: Path) -> Iterator[Store]:
    with Store.open(store_url) as opened:
        yield opened


def result(key: str = "p1", seed: int = 1) -> RunResult:
    return make_result(make_prompt(key, f"the text of {key}"), seed=seed, shape=(2, 2), attention=True)


def save(store: Store, item: RunResult, experiment: str = "first") -> str:
    job = store.start_job(experiment=experiment, model="tiny", spec={}, total=1)
    return store.save(job, make_info(), make_set(item.prompt), ["heads", "attention"], 0, [item]).run_ids[0]


def file_of(store: Store, folder: Path, run_id: str) -> Path:
    return folder / store.run(run_id).artifacts[0].key


def damage(path: Path) -> None:
    """Of the same size, with another last byte."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def make_old(path: Path, hours: float = 2) -> None:
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))


def test_a_run_without_its_file_is_no_hit(store: Store, folder: Path) -> None:
    kept, lost = result("kept"), result("lost", 2)
    save(store, kept)
    path = file_of(store, folder, save(store, lost))
    assert set(store.find_results([kept.result_key, lost.result_key])) == {kept.result_key, lost.result_key}
    path.write_bytes(path.read_bytes()[:-1])
    assert set(store.find_results([kept.result_key, lost.result_key])) == {kept.result_key}
    path.unlink()
    assert set(store.find_results([kept.result_key, lost.result_key])) == {kept.result_key}


def test_saving_again_brings_the_file_back(store: Store, folder: Path) -> None:
    item = result()
    run_id = save(store, item)
    file_of(store, folder, run_id).unlink()
    assert save(store, item) == run_id
    np.testing.assert_array_equal(store.attention(run_id), item.attention)
    assert store.find_results([item.result_key]) == {item.result_key: run_id}
    assert store.check() == []


def test_a_damaged_file_of_equal_size_is_written_over(store: Store, folder: Path) -> None:
    item = result()
    run_id = save(store, item)
    path = file_of(store, folder, run_id)
    whole = path.read_bytes()
    damage(path)
    save(store, item, "second")
    assert path.read_bytes() == whole
    np.testing.assert_array_equal(store.attention(run_id), item.attention)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_numbers_that_differ_a_little_take_the_place_of_what_was_lost(store: Store, folder: Path) -> None:
    """Another machine rounds differently: the new file has another name, and every run of that result gets it."""
    item = result()
    run_id = save(store, item)
    job = store.start_job(experiment="second", model="tiny", spec={}, total=1)
    store.reuse(job, make_set(item.prompt), {item.prompt.id: run_id})
    copy = next(row.id for row in store.overview().recent_runs if row.experiment == "second")
    file_of(store, folder, run_id).unlink()
    again = dataclasses.replace(
        item, attention=make_attention((2, 2), item.attention.shape[-1], np.random.default_rng(9))
    )
    assert save(store, again) == run_id
    for found in (run_id, copy):
        np.testing.assert_array_equal(store.attention(found), again.attention)
    assert store.check() == []


def test_repair_marks_lost_files_and_they_are_computed_again(store: Store, folder: Path) -> None:
    items = [result("missing"), result("damaged", 2), result("whole", 3)]
    missing, damaged, whole = (save(store, item) for item in items)
    file_of(store, folder, missing).unlink()
    damage(file_of(store, folder, damaged))
    assert {kind: len(lines) for kind, lines in store.problems().items()} == {"artifacts missing or damaged": 2}
    (said,) = store.repair()
    assert said.startswith("marked 2 artifacts of 2 runs as lost")
    assert store.check() == store.repair() == []
    assert [store.run(run_id).artifacts[0].lost for run_id in (missing, damaged, whole)] == [True, True, False]
    with pytest.raises(StorageError, match=r"attention was stored but its file is lost: compute it again"):
        store.attention(missing)
    assert store.find_results([item.result_key for item in items]) == {items[2].result_key: whole}
    for item in items[:2]:
        save(store, item)
    assert [store.run(run_id).artifacts[0].lost for run_id in (missing, damaged)] == [False, False]
    assert len(store.find_results([item.result_key for item in items])) == 3
    assert store.check() == []


def test_what_was_lost_is_found_again_when_the_folder_is_back(store: Store, folder: Path) -> None:
    item = result()
    run_id = save(store, item)
    folder.rename(folder.with_name("away"))
    assert len(store.repair()) == 1
    folder.with_name("away").rename(folder)
    np.testing.assert_array_equal(store.attention(run_id), item.attention)
    assert store.find_results([item.result_key]) == {item.result_key: run_id}
    assert store.repair() == ["found 1 lost artifact again"]
    assert not store.run(run_id).artifacts[0].lost


def test_repair_removes_orphans(store: Store) -> None:
    save(store, make_result(make_prompt("gone"), seed=5, evidence=True))
    stays = save(store, make_result(make_prompt("stays"), seed=6, evidence=True))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM runs WHERE prompt_key = 'gone'")
    before = store.run(stays)
    said, sums = store.repair()
    assert said.startswith("removed ")
    assert sums == "added up the heads of 1 selection of runs anew"
    assert "token_traces 1" in said
    assert store.check() == []
    assert store.run(stays).row == before.row
    assert len(store.run(stays).attributions) == len(before.attributions)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE run_facets SET model = 'other'",
        "DELETE FROM run_facets",
        "UPDATE runs SET facet_id = 7",
        "UPDATE runs SET experiment = 'renamed'",
    ],
)
def test_repair_rebuilds_facets(store: Store, harm: str) -> None:
    save(store, make_result(make_prompt("one", tags=("a", "b")), seed=5))
    save(store, make_result(make_prompt("two", tags=()), seed=6))
    with store.engine.begin() as connection:
        connection.exec_driver_sql(harm)
    assert set(store.problems()) == {"runs that filters and counts miss"}
    (said,) = store.repair()
    assert said.startswith("rebuilt the facets")
    assert store.check() == store.repair() == []


def test_what_cannot_be_repaired_stays_a_problem(store: Store) -> None:
    save(store, result())
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM token_traces")
    assert store.repair() == []
    assert set(store.problems()) == {"runs with parts missing"}


def test_the_same_tensor_has_the_same_name(folder: Path) -> None:
    attention = result().attention
    assert len({encode_attention(attention) for _ in range(20)}) == 1


def test_gc_removes_old_files_that_no_row_names(store: Store, folder: Path) -> None:
    run_id = save(store, result())
    named = file_of(store, folder, run_id)
    orphan = named.with_name("0" * 64 + ".safetensors")
    half, young = named.with_name(".writing-abc123"), named.with_name("1" * 64 + ".safetensors")
    strange = folder / "my own.safetensors"
    for path in (orphan, half, young, strange):
        path.write_bytes(b"x" * 10)
    for path in (orphan, half, strange, named):
        make_old(path)
    tried = store.gc(HOUR, dry_run=True)
    assert (tried.files, tried.bytes, tried.young) == (2, 20, 1)
    assert orphan.exists()
    assert store.gc(HOUR) == tried
    assert [path.exists() for path in (orphan, half, young, strange, named)] == [False, False, True, True, True]
    assert store.gc(HOUR).files == 0
    assert store.check() == []


def test_gc_leaves_an_old_file_that_a_job_has_just_met_again(store: Store, folder: Path) -> None:
    """The file is there already, so it is not written; its row is still to come."""
    item = result()
    path = file_of(store, folder, save(store, item))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM artifacts")
    make_old(path)
    store.artifacts.put_attention(item.attention)
    assert store.gc(HOUR).files == 0
    assert path.exists()


def test_gc_of_a_folder_that_was_never_made(store: Store) -> None:
    assert store.gc(HOUR).files == 0
