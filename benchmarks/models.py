"""The Models page over a million runs: its two queries and its cards, on DuckDB or PostgreSQL.

    python -m benchmarks.models [--runs 1000000] [--repeats 20] [--database duckdb|postgresql]

Runs are made by SQL: two models on half as many prompts, half of them in pairs, with a trace of fifteen tokens each.
Every timed call goes through a `Store` that was asked nothing before: what is timed is the first look after a write.
The page compares a part of so many prompts and says so; all of them, as files and notebooks do, are timed once.
`times_count` is beside counting the runs once.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.bias import empty
from benchmarks.harness import beside, first_looks, write_result
from benchmarks.heads import bare_count
from benchmarks.store_grid import FACETS, address
from headscope.dashboard.pages.models.page import SCOPED
from headscope.dashboard.pages.models.query import ModelsQuery, compared
from headscope.dashboard.services import Services
from headscope.storage.repository import Store

FIRST, SECOND = "gpt2", "gpt2-medium"
TOKENS = 15


def inserts(dialect: str, runs: int) -> tuple[str, str]:
    """INSERT ... SELECT of `runs` runs, of two in a row both models' of a prompt, and of their traces. The second model
    reads a start token."""
    source = f"range({runs}) t(i)" if dialect == "duckdb" else f"generate_series(0, {runs - 1}) t(i)"
    of_runs = f"""
    INSERT INTO runs (id, experiment_id, model_id, facet_id, created_at, prompt_set_id, n_tokens, seconds,
        mean_surprisal, next_token_prob, target_rank, margin, status, model, experiment, prompt_set, tags, prompt_key,
        target, foil, text, search_text, pair_id, group_name)
    SELECT CAST(gen_random_uuid() AS UUID), e.id, m.id, 20000000 + x.side, TIMESTAMP '2026-01-01', s.id,
        {TOKENS} + x.side, 0.1, 1 + random(), random(),
        CASE WHEN random() < 0.4 THEN 1 ELSE CAST(2 + random() * 90 AS INTEGER) END, random() * 8 - 4 + x.side,
        'succeeded', m.name, e.name, s.name, ARRAY['kind'], 'p' || x.prompt, ' yes', ' no', x.text, x.text,
        CASE WHEN x.prompt < {runs} / 4 THEN 'pair ' || CAST(floor(x.prompt / 2) AS INTEGER) END,
        CASE WHEN x.prompt < {runs} / 4 THEN 'congruent' END
    FROM (SELECT y.*, 'This is the prompt number ' || prompt || ' of a large set, and the answer to it is' AS text
          FROM (SELECT CAST(mod(i, 2) AS INTEGER) AS side, CAST(floor(i / 2) AS BIGINT) AS prompt FROM {source}) y) x
    JOIN models m ON m.name = CASE WHEN x.side = 0 THEN '{FIRST}' ELSE '{SECOND}' END
    JOIN prompt_sets s ON s.name = 'facts' JOIN experiments e ON e.name = 'experiment 0'
    """
    ends = [4 * place for place in range(1, TOKENS + 1)]
    plain, started = ("ARRAY[" + ", ".join(map(str, of)) + "]" for of in (ends, [0, *ends]))
    first = f"model = '{FIRST}'"
    logprobs = "ARRAY[" + ", ".join(["CAST('NaN' AS REAL)", *["CAST(-1.5 AS REAL)"] * (TOKENS - 1)]) + "]"
    of_traces = f"""
    INSERT INTO token_traces (run_id, n_tokens, n_candidates, token_ids, tokens, char_starts, char_ends, words, special,
        logprobs, ranks, entropies, candidate_ids, candidate_tokens, candidate_logprobs)
    SELECT id, n_tokens, 0, {plain}, ARRAY['a'], {plain}, CASE WHEN {first} THEN {plain} ELSE {started} END, {plain},
        ARRAY[false], {logprobs}, {plain}, {logprobs}, {plain}, ARRAY['a'], {logprobs} FROM runs
    """
    return of_runs, of_traces


def fill(store: Store, runs: int) -> None:
    """Make the runs."""
    empty(store)
    dialect = store.engine.dialect.name
    with store.engine.begin() as connection:
        for statement in (*inserts(dialect, runs), FACETS):
            connection.exec_driver_sql(statement)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if dialect == "postgresql" else "CHECKPOINT")


def page(url: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of each query and of all cards one after another, every time through a new store."""
    query = ModelsQuery(model=FIRST, beside_model=SECOND)

    def filled(*cards: str) -> Callable[[Store], Any]:
        return lambda store: [SCOPED.content(card, Services(store), query) for card in cards]

    asked: dict[str, Callable[[Store], Any]] = {
        "count of the runs": bare_count,
        "models_beside": lambda store: store.models_beside(compared(store, query)),
        "flips": lambda store: store.flips(compared(store, query)),
        **{card: filled(card) for card in SCOPED.cards},
        "all cards": filled(*SCOPED.cards),
    }
    found = first_looks(lambda: Store.open(url), asked, repeats)
    every = first_looks(lambda: Store.open(url), {"all prompts": lambda store: store.models_beside(query.sides())}, 1)
    bare = found.pop("count of the runs")
    return dict(beside({**found, **every}, bare))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--database", choices=("duckdb", "postgresql"), default="duckdb")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, address(args.database, folder) as url:
        with Store.open(url) as store:
            fill(store, args.runs)
            prompts = store.models_beside(ModelsQuery(model=FIRST, beside_model=SECOND).sides()).matched.both
        found = {"runs": args.runs, "prompts": prompts, "database": args.database, **page(url, args.repeats)}
    print(found)
    write_result(f"models_{args.database}", found)


if __name__ == "__main__":
    main()
