"""The Heads page over many runs: its queries, its cards, and what keeping the sums costs the writer.

    python -m benchmarks.heads [--runs 1000000] [--saved 2000] [--repeats 20] [--database duckdb|postgresql]

Runs are made with numpy, 12 layers of 12 heads, all statistics and head ablation. The first `--saved` are saved as
results are, 64 in a transaction, which is timed; the others are copies of them that SQL makes, with their arrays. The
sums stay those of the saved runs: they are as long for any number of runs. Every timed call goes through a `Store` that
was asked nothing before, and reads from the disk what it needs: a second head finds the arrays of the first one's runs
read. What a card takes stands beside counting the runs once, which no answer over all of them can do without (`count of
the runs`, and `times_count`: medians).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from benchmarks.harness import beside, summary, write_result
from headscope.analysis.types import HEAD_STATS, HeadSummary, PromptSet, RunResult
from headscope.dashboard.pages.heads.page import SCOPED
from headscope.dashboard.pages.heads.query import HeadsQuery
from headscope.dashboard.services import Services
from headscope.storage import schema
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from headscope.storage.write import head_sums, head_values
from tests.factories import make_attribution, make_info, make_prompt, make_result

SHAPE, BATCH, SETS = (12, 12), 64, 6
EXPERIMENT, SLOW_REPEATS = "heads", 3
SECOND = "heads-one, after another head"


def batches(runs: int) -> Iterator[tuple[PromptSet, list[RunResult]]]:
    """Batches of results, the prompt sets in turn; one prompt's text and other measurements serve all."""
    rng = np.random.default_rng(0)
    sample = replace(make_result(shape=SHAPE), continuation=None, lens=None, layers=None)
    sets = [PromptSet(f"set{i}", "1", "MIT", "to time", f"{i:064d}", (), "made here") for i in range(SETS)]
    for start in range(0, runs, BATCH):
        made = []
        for i in range(start, min(start + BATCH, runs)):
            heads = HeadSummary(**{name: rng.random(SHAPE, dtype=np.float32) for name in HEAD_STATS})
            scores = replace(make_attribution("head_ablation", rng.standard_normal(SHAPE)), axes=("layer", "head"))
            made.append(replace(sample, prompt=make_prompt(f"p{i}"), result_key=f"{i:064d}", heads=heads,
                                attributions=(scores,)))  # fmt: skip
        prompts = tuple(result.prompt for result in made)
        yield replace(sets[start // BATCH % SETS], prompts=prompts), made


def fill(store: Store, runs: int) -> dict[str, float]:
    """Save all of them; seconds in all, and of them those that keeping the sums took."""
    job = store.start_job(experiment=EXPERIMENT, model="tiny", spec={}, total=runs)
    spent, kept = [0.0], head_sums.add

    def measured(*args: Any, **options: Any) -> None:
        started = time.perf_counter()
        kept(*args, **options)
        spent[0] += time.perf_counter() - started

    head_sums.add = measured
    saving = 0.0
    try:
        for prompt_set, made in batches(runs):
            started = time.perf_counter()
            store.save(job, make_info("tiny", n_layers=12, n_heads=12), prompt_set, ["heads"], 0, made)
            saving += time.perf_counter() - started
    finally:
        head_sums.add = kept
    return {"save_seconds": saving, "runs_per_second": runs / saving, "share_of_sums": spent[0] / saving}


COPIED = ((schema.runs, "id"), (schema.head_summaries, "run_id"), (schema.attributions, "run_id"))
AT_ONCE = 25_000


def copy(store: Store, copies: int, tables: Sequence[tuple[sa.Table, str]] = COPIED) -> None:
    """So many copies of every run, with what is read of it here. They lie as runs do: ids grow with time, an experiment
    after the other."""
    duckdb = store.engine.dialect.name == "duckdb"
    series = "range" if duckdb else "generate_series"
    stamp = "printf('%012x', CAST({} AS BIGINT))" if duckdb else "lpad(to_hex(CAST({} AS BIGINT)), 12, '0')"
    later = "t.created_at + to_seconds({})" if duckdb else "t.created_at + make_interval(secs => {})"
    now = time.time_ns() // 1_000_000
    with store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE originals AS SELECT id, experiment FROM runs")
        sizes = connection.exec_driver_sql(
            "SELECT experiment, count(*), min(CAST(id AS VARCHAR)) FROM originals GROUP BY 1 ORDER BY 3"
        )
        for number, (experiment, size, _) in enumerate(sizes.all()):
            step = max(1, AT_ONCE // size)
            for first in range(1, copies + 1, step):
                last = min(first + step, copies + 1)
                numbers = f"{series}({first}, {last if duckdb else last - 1}) n(k)"
                seconds = f"({number * copies} + n.k)"
                for table, key in tables:
                    names = [column.name for column in table.columns]
                    time_of, random = (
                        stamp.format(f"{now} + 1000 * {seconds}"),
                        f"substr(md5(t.{key} || ' ' || n.k), 13)",
                    )
                    new = {key: f"CAST({time_of} || {random} AS UUID)", "created_at": later.format(seconds)}
                    picked = ", ".join(new.get(name, f't."{name}"') for name in names)
                    into = ", ".join(f'"{name}"' for name in names)
                    connection.exec_driver_sql(
                        f"INSERT INTO {table.name} ({into}) SELECT {picked} FROM {table.name} t, {numbers} "
                        f"WHERE t.{key} IN (SELECT id FROM originals WHERE experiment = '{experiment}')"
                    )
        connection.exec_driver_sql("DROP TABLE originals")
        head_values.rebuild(connection, head_values.wrong(connection))
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT" if duckdb else "VACUUM ANALYZE")


def timed(
    url: str, ask: Callable[[Store], Any], repeats: int, before: Callable[[Store], Any] | None = None
) -> dict[str, float]:
    """Of `repeats` calls, each through a store that was asked nothing before, or only what is not timed."""
    seconds = []
    for _ in range(repeats):
        with Store.open(url) as store:
            if before is not None:
                before(store)
            started = time.perf_counter()
            ask(store)
            seconds.append(time.perf_counter() - started)
    return summary(seconds)


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty store."""
    if kind == "duckdb":
        yield str(folder / "heads.duckdb")
        return
    from tests.databases import postgres

    with postgres() as server, server.new() as url:
        yield url


def cards(head: str = "5.3") -> dict[str, Callable[[Store], Any]]:
    """Each card as its callback fills it, with a head chosen, and all of them as one server fills them."""
    query = HeadsQuery(experiment=EXPERIMENT, head=head)

    def filled(*names: str) -> Callable[[Store], Any]:
        return lambda store: [SCOPED.content(name, Services(store), query) for name in names]

    return {**{name: filled(name) for name in SCOPED.cards}, "all cards": filled(*SCOPED.cards)}


def bare_count(store: Store) -> None:
    """The least that is asked of the database about all runs."""
    with store.engine.connect() as connection:
        connection.exec_driver_sql("SELECT count(*), avg(mean_surprisal) FROM runs").all()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--saved", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--database", default="duckdb", choices=("duckdb", "postgresql"))
    options = parser.parse_args()
    where = RunFilter((Condition("experiment", "eq", EXPERIMENT),))
    one_set = RunFilter((*where.conditions, Condition("prompt_set", "eq", "set1")))
    selected = RunFilter((Condition("margin", "not_null"), Condition("prompt_key", "ne", "p0")))
    with tempfile.TemporaryDirectory() as name, database(options.database, Path(name)) as url:
        with Store.open(url) as store:
            written, started = fill(store, options.saved), time.perf_counter()
            copy(store, options.runs // options.saved - 1)
            copied = round(time.perf_counter() - started, 1)
        print(f"copied in {copied} s", flush=True)
        found = {
            "all heads": timed(url, lambda store: store.head_stats(where), options.repeats),
            "all heads, one prompt set": timed(url, lambda store: store.head_stats(one_set), options.repeats),
            "all heads, a selection": timed(url, lambda store: store.head_stats(selected), SLOW_REPEATS),
            "one head run by run": timed(url, lambda store: store.head_runs(where, 5, 3), options.repeats),
            **{name: timed(url, ask, options.repeats) for name, ask in cards().items()},
            "heads-one, after another head": timed(
                url, cards()["heads-one"], options.repeats, cards("2.2")["heads-one"]
            ),
        }
        bare = timed(url, bare_count, options.repeats)
    sizes = {"runs": options.runs, "saved": options.saved, "seconds_to_copy": copied}
    write_result(f"heads_{options.database}", {**sizes, "writing": written, **beside(found, bare)})


if __name__ == "__main__":
    main()
