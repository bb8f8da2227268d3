"""The Failures page over 100,000 cases of one experiment, on both databases.

    python -m benchmarks.failures [--cases 100000] [--repeats 20] [--database duckdb|postgresql]

Made by SQL: for every case two runs of one pair, each judged by two detectors, a quarter of which found something; of
ten runs one was judged by people, half of these twice. Every timed call goes through a `Store` that was asked nothing
before: what is timed is the first look after a write.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from benchmarks.bias import empty
from benchmarks.harness import first_looks, write_result
from benchmarks.store_grid import FACETS, MODELS, SETS, WORDS, address
from headscope.analysis.registry import DETECTORS
from headscope.dashboard.pages.failures import why
from headscope.dashboard.pages.failures.page import SCOPED
from headscope.dashboard.pages.failures.query import PAGE_SIZE, FailuresQuery
from headscope.dashboard.services import Services
from headscope.jobs.siblings import nearest_passing
from headscope.storage.repository import Store
from headscope.storage.schema import probe_results

EXPERIMENT = "experiment 0"
NAMES = tuple(DETECTORS)[:8]
SEVERITIES = ("low", "low", "medium", "high")
TAGS = ("misread", "ours", "known", "to do")
Question = Callable[[Store], Any]


def _list(values: tuple[str, ...]) -> str:
    return f"ARRAY[{', '.join(repr(value) for value in values)}]"


def _numbers(dialect: str, below: int) -> str:
    return f"range({below}) t(i)" if dialect == "duckdb" else f"generate_series(0, {below - 1}) t(i)"


def runs_made(dialect: str, runs: int) -> str:
    """INSERT ... SELECT of `runs` rows: two of a pair after each other, by model and prompt set."""
    text = " || ' ' || ".join(
        f"({_list(WORDS)})[1 + CAST(floor(random() * {len(WORDS)}) AS INTEGER)]" for _ in "12345678"
    )
    return f"""
    INSERT INTO runs (id, experiment_id, model_id, facet_id, created_at, prompt_set_id, n_tokens, seconds,
        mean_surprisal, margin, status, model, experiment, prompt_set, tags, prompt_key, target, text, search_text,
        pair_id)
    SELECT CAST(gen_random_uuid() AS UUID), e.id, m.id, 10000000 + (x.model * 10 + x.prompt_set) * 20 + x.kind,
        TIMESTAMP '2026-01-01' + i * INTERVAL '1 second', s.id, 9, 0.1, 1 + random() * 7, random() * 8 - 4,
        'succeeded', m.name, '{EXPERIMENT}', s.name, ARRAY[s.name, 'kind ' || x.kind], 'p' || i, ' word', x.text,
        x.text, 'pair ' || CAST(floor(i / 2) AS BIGINT)
    FROM (SELECT i, {text} AS text, mod(CAST(floor(i / 2) AS INTEGER), {len(MODELS)}) AS model,
              mod(CAST(floor(i / 8) AS INTEGER), {len(SETS)}) AS prompt_set,
              mod(CAST(floor(i / 2) AS INTEGER), 17) AS kind
          FROM {_numbers(dialect, runs)}) x
    JOIN models m ON m.name = ({_list(MODELS)})[1 + x.model]
    JOIN prompt_sets s ON s.name = ({_list(SETS)})[1 + x.prompt_set]
    JOIN experiments e ON e.name = '{EXPERIMENT}'
    """


def findings_made() -> str:
    """Two detectors a run; of the four findings of a pair one is a case."""
    case = f"({_list(SEVERITIES)})[1 + CAST(floor(random() * {len(SEVERITIES)}) AS INTEGER)]"
    said = """'{"said": " river", "target": " word", "probability": 0.71, "looked_at": 9}'"""
    return f"""
    INSERT INTO probe_results (id, run_id, probe, label, score, evidence, created_at)
    SELECT gen_random_uuid(), x.id, ({_list(NAMES)})[1 + mod(x.pair + x.which, {len(NAMES)})],
        CASE WHEN x.which = 0 AND mod(x.i, 2) = 0 THEN {case} ELSE 'passed' END, random(), CAST({said} AS JSON),
        TIMESTAMP '2026-01-02'
    FROM (SELECT id, CAST(substr(prompt_key, 2) AS INTEGER) AS i, CAST(substr(pair_id, 6) AS INTEGER) AS pair,
              w.which FROM runs CROSS JOIN (VALUES (0), (1)) w(which)) x
    """


def judgements_made(day: int, every: int) -> str:
    """What people made of one case in `every`."""
    return f"""
    INSERT INTO triage (id, run_id, probe, status, note, tags, who, created_at)
    SELECT gen_random_uuid(), run_id, probe, CASE WHEN score < .5 THEN 'confirmed' ELSE 'dismissed' END, 'a note',
        ARRAY[({_list(TAGS)})[1 + CAST(floor(random() * {len(TAGS)}) AS INTEGER)]], 'ada', TIMESTAMP '2026-01-0{day}'
    FROM (SELECT p.*, row_number() OVER (ORDER BY p.score) AS nth FROM probe_results p WHERE label <> 'passed') x
    WHERE mod(nth, {every}) = 0
    """


SCORES = """
    INSERT INTO toxicity_scores (id, run_id, part, label, score, classifier, evidence, created_at)
    SELECT gen_random_uuid(), id, 'prompt', 'toxic', random() * .4, 'a classifier', NULL, TIMESTAMP '2026-01-02'
    FROM runs
"""

CAPSULE = "INSERT INTO capsules (id, sha256, content) SELECT gen_random_uuid(), 'one', CAST('{}' AS JSON)"
DETAILS = """
    INSERT INTO run_details (run_id, result_key, job_id, capsule_id, seed, analyses)
    SELECT r.id, 'key ' || r.prompt_key, gen_random_uuid(), c.id, 0, ARRAY['next_token']
    FROM runs r CROSS JOIN capsules c
"""


def fill(store: Store, cases: int) -> None:
    """An experiment with this many cases."""
    empty(store)
    made = (runs_made(store.engine.dialect.name, 2 * cases), FACETS, findings_made(), judgements_made(3, 5),
            judgements_made(4, 10), SCORES, CAPSULE, DETAILS)  # fmt: skip
    with store.engine.begin() as connection:
        for statement in made:
            connection.exec_driver_sql(statement)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if store.engine.dialect.name == "postgresql" else "CHECKPOINT")


def questions(cases: list[tuple[str, str]]) -> dict[str, Question]:
    """What a reader asks; `cases`: run and detector of some, a new one each time."""
    whole = FailuresQuery(experiment=EXPERIMENT)
    last = (len(cases) - 1) // PAGE_SIZE
    narrow = {
        "a detector": FailuresQuery(experiment=EXPERIMENT, detector=NAMES[3]),
        "high and open": FailuresQuery(experiment=EXPERIMENT, severity="high", status="open"),
        "a prompt tag": FailuresQuery(experiment=EXPERIMENT, tag="kind 3"),
        "your tag": FailuresQuery(experiment=EXPERIMENT, triage_tag=TAGS[0]),
        "the last page": FailuresQuery(experiment=EXPERIMENT, page=last),
    }
    drawn = random.Random(1)

    def filled(query: FailuresQuery, *cards: str) -> Question:
        return lambda store: [SCOPED.content(card, Services(store), query) for card in cards]

    def judged(store: Store) -> None:
        store.triage(*drawn.choice(cases), "confirmed", "looked at", [TAGS[1]], "ada")

    return {
        "all cards": filled(whole, *SCOPED.cards),
        **{name.removeprefix("failures-"): filled(whole, name) for name in SCOPED.cards},
        **{f"cases, {name}": filled(query, "failures-cases") for name, query in narrow.items()},
        "facets": lambda store: store.failure_facets(whole.which()),
        "triage": judged,
        "nearest passing sibling": lambda store: nearest_passing(store, *drawn.choice(cases)),
        "why, also of the next case": lambda store: why.read(store, *drawn.choice(cases)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--database", choices=("duckdb", "postgresql"), default="duckdb")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, address(args.database, folder) as url:
        with Store.open(url) as store:
            fill(store, args.cases)
            case = sa.select(probe_results.c.run_id, probe_results.c.probe).where(probe_results.c.label != "passed")
            with store.engine.connect() as connection:
                cases = [(str(run), probe) for run, probe in connection.execute(case)]
            SCOPED.content("failures-alike", Services(store), FailuresQuery(experiment=EXPERIMENT))  # loads libraries
        asked = questions(cases)
        times = first_looks(lambda: Store.open(url), asked, args.repeats)
    write_result(f"failures_{args.database}", {"database": args.database, "failures": len(cases), **times})


if __name__ == "__main__":
    main()
