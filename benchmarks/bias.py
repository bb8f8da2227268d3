"""The Bias page's cards over 100,000 results of pairs, on both databases.

    python -m benchmarks.bias [--runs 100000] [--repeats 20] [--database duckdb|postgresql]

Results are made by SQL: five models on 20,000 prompts, pairs of two groups in twenty wordings and five kinds. Every
timed call goes through a `Store` that was asked nothing before: what is timed is the first look after a write.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from typing import Any

from benchmarks.harness import first_looks, write_result
from benchmarks.store_grid import FACETS, address, fill
from headscope.dashboard.pages.bias.page import SCOPED
from headscope.dashboard.pages.bias.query import BiasQuery, compared
from headscope.dashboard.services import Services
from headscope.storage.repository import Store

EXPERIMENT = "experiment 0"


def insert(dialect: str, runs: int) -> str:
    """INSERT ... SELECT of `runs` rows: of ten in a row, five models and both groups."""
    source = f"range({runs}) t(i)" if dialect == "duckdb" else f"generate_series(0, {runs - 1}) t(i)"
    return f"""
    INSERT INTO runs (id, experiment_id, model_id, facet_id, created_at, prompt_set_id, n_tokens, seconds,
        mean_surprisal, margin, status, model, experiment, prompt_set, tags, prompt_key, text, search_text,
        pair_id, group_name)
    SELECT CAST(gen_random_uuid() AS UUID), e.id, m.id, 10000000 + x.model * 20 + mod(x.pair, 20),
        TIMESTAMP '2026-01-01', s.id, 9, 0.1,
        1 + random(), random() * 8 - 4, 'succeeded', 'model ' || x.model, '{EXPERIMENT}', 'pairs',
        ARRAY['age', 'kind ' || mod(x.pair, 5), 'template:' || mod(x.pair, 20)], 'p' || i, x.text, x.text,
        'pair ' || x.pair, x.who
    FROM (SELECT y.*, 'In wording ' || mod(pair, 20) || ' the word ' || mod(pair, 300) || ' ' || who || ' was very'
            AS text
          FROM (SELECT i, mod(i, 5) AS model, CAST(floor(i / 10) AS BIGINT) AS pair,
                  CASE WHEN mod(i, 10) < 5 THEN 'old' ELSE 'young' END AS who FROM {source}) y) x
    JOIN models m ON m.name = 'gpt2' JOIN prompt_sets s ON s.name = 'facts'
    JOIN experiments e ON e.name = '{EXPERIMENT}'
    """


def empty(store: Store) -> None:
    """Models, sets and experiments, and no runs."""
    fill(store, 100)
    with store.engine.begin() as connection:
        for table in ("runs", "run_facets"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


def page(url: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of the table's callback, and of all three cards one after another with a row chosen."""
    query = BiasQuery(experiment=EXPERIMENT)
    with Store.open(url) as store:
        rows = compared(store, query)
    chosen = BiasQuery(experiment=EXPERIMENT, row=rows[0].key)

    def filled(store: Store, asked: BiasQuery, cards: Iterable[str]) -> None:
        services = Services(store)
        for card in cards:
            SCOPED.content(card, services, asked)

    times = first_looks(
        lambda: Store.open(url),
        {
            "table": lambda store: filled(store, query, ["bias-effects"]),
            "all cards, a row chosen": lambda store: filled(store, chosen, SCOPED.cards),
        },
        repeats,
    )
    return {"rows": len(rows), "pairs": sum(row.effect.n for row in rows), **times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--database", choices=("duckdb", "postgresql"), default="duckdb")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, address(args.database, folder) as url:
        with Store.open(url) as store:
            empty(store)
            with store.engine.begin() as connection:
                connection.exec_driver_sql(insert(store.engine.dialect.name, args.runs))
                connection.exec_driver_sql(FACETS)
        found = {"runs": args.runs, "database": args.database, **page(url, args.repeats)}
    print(found)
    write_result(f"bias_{args.database}", found)


if __name__ == "__main__":
    main()
