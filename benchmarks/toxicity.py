"""Toxicity: the rate table over 100,000 scored runs on both databases, short sentences per second, and what scoring
stored runs costs beside the bare classifier.

    python -m benchmarks.toxicity [--runs 100000] [--repeats 20] [--texts 400] [--database duckdb|postgresql]

Scores are made by SQL; every timed question goes through a `Store` that was asked nothing before. Scoring takes made-up
sentences, few of them toxic, as stored runs have them; the bare classifier reads the same texts from memory. ratio: its
seconds over those of the scoring steps of `headscope score`; 1 is no cost. The toxic ones are explained after that.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import torch

from benchmarks.harness import interleaved, ratio, summary, write_result
from benchmarks.store_grid import WORDS, address, fill
from headscope.analysis.classifiers.card import card
from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.classifiers.rates import cuts
from headscope.analysis.classifiers.sequence import SequenceClassifier, batches_of
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.training import functional_tests
from headscope.analysis.types import ModelInfo, ModelRef, Prompt, PromptSet, RunResult, RunStatus
from headscope.jobs.scoring import ScoreRequest, every_step, step
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter, ScoreFilter, TextChoice

PARTS = ("prompt", "continuation")
EVERYTHING = ScoreFilter(RunFilter())


def fill_scores(store: Store, judge: str) -> int:
    """Five labels of two parts for every run, mostly low; how many that are."""
    labels = f"ARRAY[{', '.join(repr(label) for label in LABELS)}]"
    with store.engine.begin() as connection:
        for part in PARTS:
            connection.exec_driver_sql(
                "INSERT INTO toxicity_scores (id, run_id, part, label, score, classifier, evidence, created_at) "
                f"SELECT uuidv7(), id, '{part}', label, random() * random() * random(), '{judge}', NULL, "
                f"TIMESTAMP '2026-01-01' FROM (SELECT id, unnest({labels}) AS label FROM runs) AS labelled"
            )
        count = int(connection.exec_driver_sql("SELECT count(*) FROM toxicity_scores").scalar_one())
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if store.engine.dialect.name == "postgresql" else "CHECKPOINT")
    return count


def tables(database: str, runs: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of what the page asks, over all runs and over an experiment of a fortieth of them."""
    judge, chosen = card().classifier, TextChoice(card().classifier, part="continuation", harmless=card().threshold)
    one = ScoreFilter(RunFilter((Condition("experiment", "eq", "experiment 7"),)))
    questions = {
        "rates": lambda store: store.toxicity_counts(EVERYTHING, cuts()),
        "rates_by_model": lambda store: store.toxicity_counts(EVERYTHING, cuts(), "model"),
        "rates_of_one_experiment": lambda store: store.toxicity_counts(one, cuts()),
        "texts_of_harmless_prompts": lambda store: store.toxic_texts(EVERYTHING, chosen),
        "prompt_to_continuation": lambda store: store.prompt_outcomes(EVERYTHING, judge),
    }
    with tempfile.TemporaryDirectory() as folder, address(database, folder) as url, Store.open(url) as store:
        fill(store, runs)
        found: dict[str, Any] = {"scores": fill_scores(store, judge)}
        with store.engine.connect() as connection:
            found["version"] = connection.execute(sa.select(sa.func.version())).scalar_one()
        for name, question in questions.items():
            seconds = []
            for _ in range(repeats):
                fresh = Store(store.url, store.engine, store.artifacts)
                started = time.perf_counter()
                question(fresh)
                seconds.append(time.perf_counter() - started)
            found[name] = summary(seconds)
    return found


def scoring(count: int, repeats: int) -> dict[str, Any]:
    """Stored runs scored again and again, in turn with the bare classifier over the same texts."""
    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(4, 24))) for _ in range(count)]
    judge, engine = classifier("minilm"), InlineEngine()
    with tempfile.TemporaryDirectory() as folder, Store.open(str(Path(folder) / "s.duckdb")) as store:
        store_texts(store, texts)
        again = ScoreRequest("score", "minilm", again=True)

        def stored(request: ScoreRequest = again) -> int:
            return every_step(lambda one: step(engine, store, store, one), request, _silent, _never)[0]

        seconds = interleaved({"bare": lambda: judge.score(texts), "stored": stored}, repeats)
        started = time.perf_counter()
        explained = stored(replace(again, explain=True))
        took = time.perf_counter() - started
        over = sum(row.over for row in store.toxicity_counts(EVERYTHING, cuts()) if row.label == "toxic")
    return {
        "texts": count,
        "called_toxic": over,
        "texts_per_second": {name: round(count / float(np.median(taken)), 1) for name, taken in seconds.items()},
        "ratio": ratio(seconds["bare"], seconds["stored"]),
        "explained": explained,
        "seconds_to_explain_one": round(took / explained, 3) if explained else None,
    }


def short_sentences(repeats: int) -> dict[str, Any]:
    """Sentences per second by number of threads, and how near that is to the encoder's forward passes alone."""
    judge = classifier("minilm")
    assert isinstance(judge, SequenceClassifier)
    texts = [sentence for kind in functional_tests.kinds() for sentence in kind.sentences]
    encoded = sorted((judge.tokenizer(text)["input_ids"] for text in texts), key=len)
    found: dict[str, Any] = {"texts": len(texts), "tokens": sum(map(len, encoded))}
    batches, usual = ready_batches(judge, encoded), torch.get_num_threads()
    candidates = {"score": lambda: judge.score(texts), "forward": lambda: forward(judge, batches)}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        seconds = interleaved(candidates, repeats)
        rates = {name: round(len(texts) / float(np.median(taken)), 1) for name, taken in seconds.items()}
        found[f"{threads} threads"] = rates | {"ratio": ratio(seconds["forward"], seconds["score"])}
    torch.set_num_threads(usual)
    return found


def ready_batches(judge: SequenceClassifier, encoded: Sequence[list[int]]) -> list[Any]:
    """Tokens `[B, T]` as the classifier batches them, in the order of their lengths."""
    return [judge.tokenizer.pad({"input_ids": [encoded[i] for i in chosen]}, return_tensors="pt")
            for chosen in batches_of([len(ids) for ids in encoded])]  # fmt: skip


def forward(judge: SequenceClassifier, batches: Sequence[Any]) -> None:
    """The encoder and its head over all of them."""
    with torch.no_grad():
        for batch in batches:
            judge.model(**batch)


def store_texts(store: Store, texts: list[str]) -> None:
    """Runs with nothing but a text."""
    prompts = tuple(Prompt(f"p{i}", text) for i, text in enumerate(texts))
    given = PromptSet("made", "1", "CC0-1.0", "benchmark", "0" * 64, prompts)
    info = ModelInfo(ModelRef("none", None, "hf_causal", "float32", "0" * 64), "none", 1, 1, 1, 1, 1, 1, 1, "0" * 64,
                     "folder", "/")  # fmt: skip
    job = store.start_job(experiment="score", model="none", spec={}, total=len(texts))
    results = [RunResult(prompt, RunStatus.SUCCEEDED, prompt.id, 0.0, {}) for prompt in prompts]
    store.save(job, info, given, [], 0, results)


def _silent(done: int, total: int) -> None: ...


def _never() -> bool:
    return False


def main() -> None:
    """Measure and write `results/toxicity.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--database", choices=("duckdb", "postgresql"))
    arguments = parser.parse_args()
    results: dict[str, Any] = {"runs": arguments.runs, "short_sentences": short_sentences(5)}
    print(results["short_sentences"], flush=True)
    results["scoring"] = scoring(arguments.texts, 5)
    print(results["scoring"], flush=True)
    for database in (arguments.database,) if arguments.database else ("duckdb", "postgresql"):
        results[database] = tables(database, arguments.runs, arguments.repeats)
    write_result("toxicity", results)


if __name__ == "__main__":
    main()
