"""`headscope.open` while `headscope serve` holds the file: every method gives the frame that the file itself gives."""

from __future__ import annotations

import inspect
import math
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import headscope
from headscope.analysis.errors import InputError, StorageError
from headscope.analysis.types import RunStatus
from headscope.analysis.types.findings import ToxicityScore
from headscope.notebook.store import Store as OpenStore
from headscope.storage import served
from headscope.storage.interfaces import RunReader
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from headscope.storage.sql import readonly
from tests.factories import make_failure, make_info, make_prompt, make_result, make_set
from tests.reader_calls import READ

HEADSCOPE = str(Path(sys.executable).with_name("headscope"))
Ask = Callable[[OpenStore, str], Any]
VIEWS = ("tokens", "candidates", "heads", "layers", "lens", "attributions", "cells", "attribution_layers",
         "attribution_heads", "receipts", "removal_curves")  # fmt: skip
TYPES = {
    "text": "o'clock; DROP TABLE runs --",
    "whole": 2**53 + 1,
    "number": 0.1,
    "nan": math.nan,
    "truth": True,
    "nothing": None,
    "moment": datetime(2026, 1, 2, 3, 4, 5, 6),
    "there": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "id": uuid.UUID("01a20766-c10e-7000-82e3-32d23155c6e9"),
    "many": [1, 2, 3],
    "names": ["a", "b'"],
    "bytes": b"\x00\xff",
}


def ids(book: OpenStore) -> list[str]:
    return [row.id for row in book.reader.runs_page(RunFilter()).rows]


NOT_OF_A_SERVER = {"close", "why", "heads_beside"}
"""`why` asks no store; the last is made of `head_maps`, and this store has one model."""
ASKED: dict[str, Ask] = {
    "runs": lambda book, run_id: book.runs(),
    "runs of some": lambda book, run_id: book.runs(status=["succeeded", "failed"], text__contains="'", sort="-seconds"),
    "runs by id": lambda book, run_id: book.runs(id=run_id, limit=1),
    "runs without": lambda book, run_id: book.runs(target_rank=None, search="text"),
    "runs that are none": lambda book, run_id: book.runs(model="x' OR 1=1 --"),
    "runs since": lambda book, run_id: book.runs(created_at__ge=datetime(2020, 1, 1), target_rank__le=10),
    **{f"{name} of a run": lambda book, run_id, name=name: getattr(book, name)(run_id) for name in VIEWS},
    **{f"{name} of all": lambda book, run_id, name=name: getattr(book, name)(experiment="it's") for name in VIEWS},
    **{f"{name} of some": lambda book, run_id, name=name: getattr(book, name)(search="text", text__contains="'")
       for name in ("tokens", "receipts")},
    **{f"{name} of none": lambda book, run_id, name=name: getattr(book, name)(experiment="none") for name in VIEWS},
    "sql": lambda book, run_id: book.sql("SELECT * FROM runs ORDER BY id"),
    "sql arrays": lambda book, run_id: book.sql("SELECT * FROM token_traces ORDER BY run_id"),
    "sql capsules": lambda book, run_id: book.sql("SELECT * FROM capsules ORDER BY id"),
    "sql equal names": lambda book, run_id: book.sql("SELECT id, id, 1 AS one FROM runs ORDER BY 1"),
    "sql with a name twice": lambda book, run_id: book.sql("SELECT :x AS a, :y AS b, :x AS c", {"x": "1", "y": 2}),
    **{
        f"sql with {name}": lambda book, run_id, value=value: book.sql("SELECT :v AS v, typeof(:v) AS t", {"v": value})
        for name, value in TYPES.items()
    },
    "model_checks": lambda book, run_id: book.model_checks(),
    "toxicity_rates": lambda book, run_id: book.toxicity_rates("it's"),
    "toxicity_rates apart": lambda book, run_id: book.toxicity_rates("it's", percent=20, by="temperature"),
    **{f"bias by {measure}": lambda book, run_id, measure=measure: book.bias("it's", measure=measure)
       for measure in ("margin", "loglik", "toxicity")},
    "models_beside": lambda book, run_id: book.models_beside("tiny", "tiny", text__contains="it's"),
    "flips": lambda book, run_id: book.flips("tiny", "tiny", first_experiment="it's", which="gained", limit=3),
    "toxicity_rates of none": lambda book, run_id: book.toxicity_rates("none"),
    "model_checks of one": lambda book, run_id: book.model_checks("tiny"),
    "detail": lambda book, run_id: repr(book.detail(run_id)),
    "offensive": lambda book, run_id: repr(book.offensive([run_id, "nonsense"])),
    "measures": lambda book, run_id: repr(book.measures(experiment="it's")),
    "score_counts": lambda book, run_id: repr(book.score_counts(experiment="it's", by="model")),
    "effects": lambda book, run_id: repr(book.effects("it's", measure="loglik")),
    "methods": lambda book, run_id: book.methods(by_prompt_set=True, unconverged=True, experiment="it's"),
    "agreement": lambda book, run_id: book.agreement(top=2, experiment="it's"),
    "comparison": lambda book, run_id: repr(book.comparison(experiment="it's")),
    "disputes": lambda book, run_id: book.disputes(methods=("saliency", "input_x_gradient"), text__contains="it's"),
    "head_stats": lambda book, run_id: book.head_stats(experiment="it's"),
    "head_stats of some": lambda book, run_id: book.head_stats(text__contains="text"),
    "head_maps": lambda book, run_id: repr(book.head_maps(experiment="it's")),
    "one_head": lambda book, run_id: repr(book.one_head("tiny", 1, 2)),
    "head_runs": lambda book, run_id: book.head_runs("tiny", 1, 2),
    **{f"chart {kind}": lambda book, run_id, kind=kind: book.chart("margin", kind=kind, by="tags")
       for kind in ("histogram", "ecdf", "box")},
    "chart of two": lambda book, run_id: book.chart("margin", "n_tokens", log=True, experiment="it's"),
    "drawn": lambda book, run_id: book.drawn("n_tokens").figure.to_json(),
    "compare": lambda book, run_id: book.compare(ids(book)),
    "compare_words": lambda book, run_id: book.compare_words(ids(book)),
    "head_labels": lambda book, run_id: book.head_labels(),
    "calibration": lambda book, run_id: book.calibration("tiny", "tiny", second_experiment="it's"),
    "aligned": lambda book, run_id: repr(book.aligned(ids(book))[1]),
    "run": lambda book, run_id: book.run(run_id).drawn().html.partition("<h4")[0],
    "attention": lambda book, run_id: book.attention(run_id),
    "attention of a strange id": lambda book, run_id: book.attention("nonsense"),
    "attention that was not kept": lambda book, run_id: book.attention(str(uuid.UUID(int=7))),
}  # fmt: skip


def methods_of(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """A store that a server holds, a copy nobody holds, and a run in both."""
    folder = tmp_path_factory.mktemp("served")
    path, copy = folder / "s.duckdb", folder / "copy.duckdb"
    prompts = [
        make_prompt(f"p{n}", f"it's text {n}", target=" and" if n else None, group=f"g{n % 2}") for n in range(4)
    ]
    results = [make_result(prompt, seed=n, attention=not n, evidence=True) for n, prompt in enumerate(prompts[:3])]
    scores = (ToxicityScore("prompt", "toxic", 0.3, "minilm-toxicity-2"), ToxicityScore("prompt", "toxic", 0.7, "x"))
    results[0] = replace(results[0], findings=scores)
    results.append(make_failure(prompts[3]))
    with Store.open(str(path)) as store:
        job = store.start_job(experiment="it's", model="tiny", spec={}, total=4)
        run_id = store.save(job, make_info(), make_set(*prompts), ["heads"], 0, results).run_ids[0]
        store.finish_job(job, RunStatus.SUCCEEDED)
    shutil.copyfile(path, copy)
    shutil.copytree(f"{path}.artifacts", f"{copy}.artifacts")
    command = [HEADSCOPE, "serve", "--store", str(path), "--port", "0", "--live-model", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "Headscope is at" in process.stdout.readline()
        try:
            yield str(path), str(copy), run_id
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(autouse=True)
def beside_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSCOPE_ARTIFACTS", raising=False)


def test_every_method_is_asked() -> None:
    assert {name.split()[0] for name in ASKED} == methods_of(OpenStore) - NOT_OF_A_SERVER
    assert {name.split()[0] for name in READ} == methods_of(RunReader)


@pytest.fixture(scope="module")
def books(held: tuple[str, str, str]) -> Iterator[dict[str, tuple[OpenStore, OpenStore]]]:
    """For each kind of frame the store through its server, and the copy."""
    frames: tuple[Literal["pandas"], Literal["arrow"]] = ("pandas", "arrow")
    with ExitStack() as stack:
        yield {
            frame: (
                stack.enter_context(headscope.open(held[0], frame=frame)),
                stack.enter_context(headscope.open(held[1], frame=frame)),
            )
            for frame in frames
        }


@pytest.mark.parametrize("name", ASKED)
def test_the_same_frame_either_way(
    held: tuple[str, str, str], books: dict[str, tuple[OpenStore, OpenStore]], name: str
) -> None:
    for over, direct in books.values():
        assert over._server is not None
        assert direct._server is None
        mine, its = ASKED[name](over, held[2]), ASKED[name](direct, held[2])
        assert type(mine) is type(its)
        if isinstance(its, pd.DataFrame):
            pd.testing.assert_frame_equal(mine, its)
        elif isinstance(its, pa.Table):
            assert mine.schema.equals(its.schema)
            assert mine.to_pandas().equals(its.to_pandas()) or mine.equals(its)
        else:
            np.testing.assert_array_equal(mine, its)


@pytest.mark.parametrize("name", READ)
def test_what_pages_read_is_the_same_either_way(
    held: tuple[str, str, str], books: dict[str, tuple[OpenStore, OpenStore]], name: str
) -> None:
    with np.printoptions(threshold=sys.maxsize):
        mine, its = (repr(READ[name](book.reader, held[2])) for book in books["pandas"])
    assert mine == its


def test_the_frames_hold_something(held: tuple[str, str, str]) -> None:
    path, _, run_id = held
    with headscope.open(path) as book:
        assert {name: len(getattr(book, name)(run_id)) > 0 for name in VIEWS} == dict.fromkeys(VIEWS, True)
        assert len(book.runs()) == 4
        assert len(book.runs(id=run_id)) == 1
        assert book.bias("it's", measure="loglik").n_pairs.tolist() == [1]
        assert len(book.runs(model="x' OR 1=1 --")) == 0
        assert book.attention(run_id).shape == (4, 3, 3, 3)


def test_what_is_drawn_is_the_same_either_way(
    held: tuple[str, str, str], books: dict[str, tuple[OpenStore, OpenStore]]
) -> None:
    """A whole run through a server is what the store itself reads, but for its model's certificate."""
    run_id, drawn = held[2], []
    expected = repr(replace(books["pandas"][1].reader.run(run_id), certificate=None))
    for book in books["pandas"]:
        assert repr(book.detail(run_id)) == expected
        run = book.run(run_id)
        figures = (run.figures.surprisal(), run.figures.lens(), run.figures.attention(1, 2))
        drawn.append([figure.to_json() for figure in (*figures, book.figures.distributions(by="group"))])
    assert drawn[0] == drawn[1]


def test_nothing_is_written_through_a_server(held: tuple[str, str, str]) -> None:
    with headscope.open(held[0]) as book:
        for statement in ("DELETE FROM runs", "SELECT 1; DELETE FROM runs", "SELECT nothing"):
            with pytest.raises(StorageError, match="the server at"):
                book.sql(statement)
        assert len(book.runs()) == 4


def test_a_cut_result_is_an_error(held: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readonly, "MOST_ROWS", 3)
    with headscope.open(held[0]) as book, pytest.raises(StorageError, match="ask for fewer"):
        book.runs()


def test_parameters_that_cannot_be_sent_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be sent"):
        served.pack([object()])
    for text in ("nonsense", "AAAA"):
        with pytest.raises(InputError, match="no parameters"):
            served.unpack(text)
