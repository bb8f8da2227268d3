"""Stores with runs in them, for what must hold on every database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headscope.analysis.types import RunResult
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter, Sort
from tests.factories import (
    make_failure,
    make_info,
    make_prompt,
    make_result,
    make_set,
)

NASTY = (
    "100% of_it",
    "100 percent",
    "a'b\"c",
    "x'; DROP TABLE runs; --",
    "back\\slash",
    "emoji 👩🏽‍🚀 日本語 e\u0301",
    "UPPER lower",
    "line\nbreak\ttab",
    "q\u0000nul",
    "{curly} :colon %s $1 ?",
)


def assert_same(a: Any, b: Any, path: str = "") -> None:
    """Equal through dataclasses, tuples and arrays, NaN equal to NaN, dtypes included."""
    if dataclasses.is_dataclass(a):
        assert type(a) is type(b), path
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{path}.{field.name}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        np.testing.assert_array_equal(a, b, err_msg=path)
    elif isinstance(a, tuple):
        assert len(a) == len(b), path
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}[{index}]")
    elif isinstance(a, float) and np.isnan(a):
        assert np.isnan(b), path
    else:
        assert a == b, f"{path}: {a!r} != {b!r}"


class Filled:
    """A store and short ways to fill it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def job(self, experiment: str = "first", total: int = 1) -> str:
        return self.store.start_job(experiment=experiment, model="tiny", spec={"n": total}, total=total)

    def save(self, *results: RunResult, experiment: str = "first", job: str | None = None, **info: Any) -> list[str]:
        prompt_set = make_set(*(r.prompt for r in results))
        model = make_info(**info)
        saved = self.store.save(job or self.job(experiment), model, prompt_set, ["heads", "layers"], 3, results)
        return list(saved.run_ids)

    def texts(self, where: RunFilter = RunFilter(), sort: Sequence[Sort] = ()) -> list[str]:  # noqa: B008
        return [row.text for row in self.store.runs_page(where, sort).rows]

    def keys(self, *conditions: Condition, search: str = "") -> set[str]:
        return {row.prompt_key for row in self.store.runs_page(RunFilter(conditions, search)).rows}


class OnEachDatabase:
    """Its tests run once per database."""

    @pytest.fixture
    def filled(self, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filled]:
        monkeypatch.setenv("HEADSCOPE_ARTIFACTS", str(tmp_path / "artifacts"))
        with Store.open(store_url) as store:
            yield Filled(store)

    @pytest.fixture(scope="module")
    def varied(self, shared_store_url: str) -> Iterator[Filled]:
        """Ten runs with hostile texts: p0 .. p9, half of them without target, one failed. Only to read."""
        with Store.open(shared_store_url) as store:
            yield self.vary(Filled(store))

    @staticmethod
    def vary(filled: Filled) -> Filled:
        results = []
        for index, text in enumerate(NASTY):
            tags = ("even", "all") if index % 2 == 0 else ("odd", "all")
            target = " and" if index % 2 == 0 else None
            prompt = make_prompt(f"p{index}", text, target=target, foil=None, tags=tags, group=None)
            results.append(make_result(prompt, seed=index) if index != 7 else make_failure(prompt))
        filled.save(*results)
        return filled
