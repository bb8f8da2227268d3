"""The Methods page over a million runs: its queries and its cards, on DuckDB or PostgreSQL.

    python -m benchmarks.methods_page [--runs 1000000] [--each 50] [--repeats 10] [--database duckdb|postgresql]

Five methods with receipts and one over heads, of `--each` runs in each of `EXPERIMENTS` experiments, are saved as
results are; the other runs are copies of them that SQL makes. Asked are one experiment, which the page counts whole,
one whose first runs lie apart from the others, with seven experiments between them, and the whole store, of which the
page says how many runs it counts. Every timed call goes through a `Store` that was asked nothing before; a
browser asks for the bar and all cards at once. `times_count` is beside counting the runs once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.harness import beside, write_result
from benchmarks.heads import COPIED, bare_count, copy, database, timed
from headscope.dashboard.pages.methods.cards import content
from headscope.dashboard.pages.methods.comparison import Comparisons
from headscope.dashboard.pages.methods.page import CARDS, methods_bar
from headscope.dashboard.pages.methods.query import MethodsQuery, counted
from headscope.dashboard.services import Services
from headscope.storage import schema
from headscope.storage.repository import Store
from tests.method_runs import results, save

EXPERIMENTS = 40
TABLES = (*(item for item in COPIED if item[0] is not schema.head_summaries), (schema.attribution_receipts, "run_id"))
ASKED = {
    "one experiment": MethodsQuery(experiment="experiment 0", method="attn_lrp"),
    "one continued later": MethodsQuery(experiment="experiment 7", method="attn_lrp"),
    "the whole store": MethodsQuery.from_query("?status=succeeded&method=attn_lrp"),
}


def fill(store: Store, runs: int, each: int) -> float:
    """Seconds to make the runs."""
    started = time.perf_counter()
    for index in range(EXPERIMENTS):
        save(store, f"experiment {index}", results(each, seed=index))
    copy(store, runs // (each * EXPERIMENTS) - 1, TABLES)
    return time.perf_counter() - started


def questions(query: MethodsQuery) -> dict[str, Callable[[Store], Any]]:
    """What the page reads, and what its callbacks do with it."""

    def filled(*names: str) -> Callable[[Store], Any]:
        def ask(store: Store) -> None:
            services, comparisons = Services(store), Comparisons(store)
            for name in names:
                content(CARDS[name].view, services, comparisons, query)  # type: ignore[index]

        return ask

    def at_once(store: Store) -> None:
        services, comparisons = Services(store), Comparisons(store)
        with ThreadPoolExecutor(1 + len(CARDS)) as pool:
            bar = pool.submit(methods_bar, store, query)
            list(pool.map(lambda card: content(card.view, services, comparisons, query), CARDS.values()))
            bar.result()

    return {
        "method_stats": lambda store: store.method_stats(counted(store, query)),
        "method_gains": lambda store: store.method_gains(counted(store, query)),
        "position_scores": lambda store: store.position_scores(counted(store, query)),
        "the bar": lambda store: methods_bar(store, query),
        **{str(name): filled(name) for name in CARDS},
        "all cards, one after another": filled(*CARDS),
        "bar and all cards at once": at_once,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--database", default="duckdb", choices=("duckdb", "postgresql"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, database(options.database, Path(name)) as url:
        with Store.open(url) as store:
            made = round(fill(store, options.runs, options.each), 1)
        print(f"made in {made} s", flush=True)
        bare = timed(url, bare_count, options.repeats)
        found = {
            of: beside({name: timed(url, ask, options.repeats) for name, ask in questions(query).items()}, bare)
            for of, query in ASKED.items()
        }
    write_result(f"methods_page_{options.database}", {"runs": options.runs, "seconds_to_make": made, **found})


if __name__ == "__main__":
    main()
