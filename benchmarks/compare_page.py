"""Compare and the pairs of Why over a million runs, on DuckDB or PostgreSQL: pickers, searches, and all cards.

    python -m benchmarks.compare_page [--runs 1000000] [--each 50] [--repeats 20] [--database duckdb|postgresql]

Whole runs (tokens with candidates, heads, layers, lens, five methods with receipts) are saved as results are, `--each`
of each of `EXPERIMENTS` experiments; the others are copies of them that SQL makes. Only the oldest experiment, a
fortieth of the runs, has counterfactual pairs, so that nothing new helps to find them. Compared are two runs, and
twenty of twenty experiments. Every timed call goes through a `Store` that was asked nothing before; a browser asks
for the pickers and all cards at once. `times_count` is beside counting the runs once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import beside, first_looks, write_result
from benchmarks.heads import bare_count, copy, database
from headscope.dashboard.pages.compare.cards import CARDS, content, pickers_view
from headscope.dashboard.pages.compare.picker import found_view
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.dashboard.pages.compare.runs import RecentRuns
from headscope.dashboard.pages.patching.cards import pairs
from headscope.dashboard.services import Services
from headscope.storage import schema
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.method_runs import results, save

EXPERIMENTS, COMPARED = 40, 20
WHOLE = ("run_details", "token_traces", "head_summaries", "layer_summaries", "attributions", "attribution_receipts")
TABLES = ((schema.runs, "id"), *((schema.metadata.tables[name], "run_id") for name in WHOLE))


def fill(store: Store, runs: int, each: int) -> float:
    """Seconds to make the runs."""
    started = time.perf_counter()
    for index in range(EXPERIMENTS):
        made = results(each, seed=index)
        if not index:
            made = [
                replace(one, prompt=replace(one.prompt, pair_id=f"pair {i // 2}", group="ab"[i % 2]))
                for i, one in enumerate(made)
            ]
        save(store, f"experiment {index}", made)
    copy(store, runs // (each * EXPERIMENTS) - 1, TABLES)
    return time.perf_counter() - started


def chosen(store: Store) -> list[str]:
    """Runs of as many experiments, spread over the store."""
    found = []
    for index in range(COMPARED):
        where = RunFilter((Condition("experiment", "eq", f"experiment {2 * index}"),))
        found.append(store.runs_page(where, limit=1, offset=index).rows[0].id)
    return found


def questions(ids: Sequence[str]) -> dict[str, Callable[[Store], Any]]:
    """What the pages read, and what their callbacks do with it."""
    two, many = CompareQuery(ids[0], ids[1]), CompareQuery(ids[0], ids[1], ",".join(ids[2:]))

    def cards(store: Store, query: CompareQuery) -> None:
        runs = RecentRuns(store)
        pickers_view(runs, query)
        for card in CARDS:
            content(card, runs, query.to_query())

    def at_once(store: Store, query: CompareQuery) -> None:
        runs = RecentRuns(store)
        with ThreadPoolExecutor(1 + len(CARDS)) as pool:
            pickers = pool.submit(pickers_view, runs, query)
            list(pool.map(lambda card: content(card, runs, query.to_query()), CARDS))
            pickers.result()

    searched = {"nothing typed": "", "words": "doctor told", "an experiment": "experiment 7", "nothing found": "xyzzy"}
    return {
        "count of the runs": bare_count,
        "Why: its pairs": lambda store: pairs(Services(store)),
        **{
            f"picker: {name}": lambda store, text=text: found_view(store, "a", text, "")
            for name, text in searched.items()
        },
        "picker: beside a run": lambda store: found_view(store, "b", "", ids[0]),
        "two runs, all cards one after another": lambda store: cards(store, two),
        "two runs, pickers and all cards at once": lambda store: at_once(store, two),
        "twenty runs, all cards one after another": lambda store: cards(store, many),
        "twenty runs, pickers and all cards at once": lambda store: at_once(store, many),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--database", default="duckdb", choices=("duckdb", "postgresql"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, database(options.database, Path(name)) as url:
        with Store.open(url) as store:
            made = round(fill(store, options.runs, options.each), 1)
            ids = chosen(store)
        print(f"made in {made} s", flush=True)
        found = first_looks(lambda: Store.open(url), questions(ids), options.repeats)
        bare = found.pop("count of the runs")
    sizes = {"runs": options.runs, "seconds_to_make": made}
    write_result(f"compare_page_{options.database}", {**sizes, **beside(found, bare)})


if __name__ == "__main__":
    main()
