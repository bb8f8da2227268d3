"""A store of a few hostile texts, and what pages are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headscope.analysis.types import RunStatus
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.factories import make_failure, make_info, make_prompt, make_result, make_set
from tests.page_parts import CountingStore

TEXTS = ("The cat sat on the mat", "50% of_it", "<img src=x onerror=alert(1)>", "漢字 🧭 and spaces", "a\nb")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Ten runs of two models in two experiments, two of them failed."""
    with Store.open(str(tmp_path_factory.mktemp("store") / "lists.duckdb")) as opened:
        for number, (experiment, model) in enumerate((("first", "tiny"), ("second", "tiny-2"))):
            prompts = [
                make_prompt(f"p{i}", text, tags=("even" if i % 2 == 0 else "odd",)) for i, text in enumerate(TEXTS)
            ]
            results = [make_result(prompt, seed=number * 10 + i) for i, prompt in enumerate(prompts[:-1])]
            results.append(make_failure(prompts[-1], seed=number))
            job = opened.start_job(experiment=experiment, model=model, spec={}, total=len(prompts))
            opened.save(job, make_info(model), make_set(*prompts, name=f"set-{number}"), ["saliency"], 0, results)
            opened.finish_job(job, RunStatus.SUCCEEDED)
        yield opened


@pytest.fixture
def counting(store: Store) -> CountingStore:
    return CountingStore(store)


@pytest.fixture
def services(counting: CountingStore) -> Services:
    return Services(counting)
