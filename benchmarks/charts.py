"""The Charts page over a million runs: histogram, ECDF, box and scatter, on DuckDB and on PostgreSQL.

    python -m benchmarks.charts [--runs 1000000] [--repeats 30] [--database duckdb|postgresql]

The runs are those of `benchmarks.store_grid`. A chart is of all runs, of one model, or of those above a number; in one
or by model, prompt set or tag. Timed is the page's card, which counts a part of so many runs and says so; `all runs` is
what its file asks of the store, which counts them all. Every timed call goes through a `Store` that was asked nothing
before; `times_count` is beside counting the runs once, in the same minutes.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import beside, summary, write_result
from benchmarks.heads import bare_count
from benchmarks.store_grid import MODELS, address, fill
from headscope.dashboard.pages.charts.cards import chart
from headscope.dashboard.pages.charts.drawn import draw
from headscope.dashboard.pages.charts.query import KINDS, ChartsQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store

COLUMNS = ("mean_surprisal", "next_entropy", "target_rank", "n_tokens", "margin", "seconds")
BARE = "bare"
SPLITS = ("none", "model", "prompt_set", "tag")


def charts(seed: int) -> dict[str, Callable[[Store], Any]]:
    """One chart of each kind, drawn from `seed`, on the page and in its file."""
    pick = random.Random(seed).choice
    narrowed = pick(({}, {"model": (pick(MODELS),)}, {"f": ("mean_surprisal:gt:4",)}))
    x, y, by = pick(COLUMNS), pick(COLUMNS), pick(SPLITS)
    asked: dict[str, Callable[[Store], Any]] = {}
    for kind in KINDS:
        query = ChartsQuery(kind=kind, x=x, y=y, by=by, **narrowed)
        asked[kind] = lambda store, query=query: chart(Services(store), query)
        asked[f"{kind}, all runs"] = lambda store, query=query: draw(store, query)
    return asked


def measure(store: Store, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each kind of chart, after a first turn that loads what draws them."""
    seconds: dict[str, list[float]] = {}
    for turn in range(-1, repeats):
        for kind, ask in {**charts(turn), BARE: bare_count}.items():
            fresh = Store(store.url, store.engine, store.artifacts)
            started = time.perf_counter()
            ask(fresh)
            if turn >= 0:
                seconds.setdefault(kind, []).append(time.perf_counter() - started)
    times = {kind: summary(found) for kind, found in seconds.items()}
    return beside(times, times.pop(BARE))


def main() -> None:
    """Measure and write `results/charts_<database>.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--database", default="duckdb", choices=("duckdb", "postgresql"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, address(options.database, folder) as url, Store.open(url) as store:
        fill(store, options.runs)
        write_result(f"charts_{options.database}", {"runs": options.runs, **measure(store, options.repeats)})


if __name__ == "__main__":
    main()
