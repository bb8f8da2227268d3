"""What else of a run can be explained, over HTTP: stored ones, those to compute, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headscope.dashboard.api.explained import again_request
from headscope.dashboard.app import create_app
from headscope.dashboard.services import ModelListing, Services
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from tests.run_samples import ANALYSES, INFO, bare, full, keep


class Recorder:
    """An engine that remembers what it was asked."""

    def __init__(self) -> None:
        self.jobs: list[JobRequest] = []

    def models(self) -> Sequence[ModelListing]:
        return ()

    def submit(self, request: JobRequest) -> str:
        self.jobs.append(request)
        return "job-1"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A run that explains away minus off, one that explains off alone, one without a target."""
    both = full()
    foil = replace(both, prompt=replace(both.prompt, id="row-9", target=" off", foil=None), result_key="k9" * 32)
    with Store.open(str(tmp_path_factory.mktemp("explained") / "runs.duckdb")) as opened:
        keep(opened, both, foil, bare())
        yield opened


def ids(store: Store) -> dict[str, str]:
    return {row.prompt_key: row.id for row in store.runs_page(RunFilter()).rows}


def client(store: Store, engine: Any = None) -> Any:
    return create_app(Services(store, engine)).server.test_client()


def test_choices_are_the_difference_the_target_and_the_foil_with_the_stored_ones_linked(store: Store) -> None:
    run = ids(store)
    answer = client(store).get(f"/api/v1/runs/{run['row-1']}/explained").json
    assert answer["computes"] is False
    assert [(c["label"], c["current"], c["run"]) for c in answer["choices"]] == [
        ("“␣away” − “␣off”", True, run["row-1"]),
        ("“␣away”", False, None),
        ("“␣off”", False, run["row-9"]),
    ]
    assert client(store).get(f"/api/v1/runs/{run['row-2']}/explained").json["choices"] == []
    assert client(store).get("/api/v1/runs/none/explained").status_code == 404


def test_another_quantity_is_computed_with_everything_else_as_it_was(store: Store) -> None:
    engine, run = Recorder(), ids(store)["row-1"]
    answer = client(store, engine).post(f"/api/v1/runs/{run}/explained", json={"target": " away", "foil": None})
    assert (answer.status_code, answer.json) == (202, {"job": "job-1"})
    (job,) = engine.jobs
    (prompt,) = job.prompt_set.prompts
    detail = store.run(run)
    assert (prompt.text, prompt.target, prompt.foil) == (detail.row.text, " away", None)
    assert (job.experiment, job.model, job.analyses, job.seed) == ("samples", INFO.ref.name, ANALYSES, 4)
    assert job.generation == detail.continuation.params  # type: ignore[union-attr]
    assert prompt.id != detail.row.prompt_key


def test_settings_of_the_capsule_are_kept(store: Store) -> None:
    detail = store.run(ids(store)["row-1"])
    kept = {"params": {"smoothgrad": {"samples": 9}}, "quantity": "logit", "explain": "continuation"}
    job = again_request(replace(detail, capsule={**detail.capsule, **kept}), " off", None)
    assert (job.params, job.quantity, job.explain) == (kept["params"], "logit", "continuation")


@pytest.mark.parametrize("body", [{"target": " other", "foil": None}, {}, {"target": None}, [1], "x"])
def test_other_targets_and_nonsense_are_refused(store: Store, body: Any) -> None:
    engine = Recorder()
    answer = client(store, engine).post(f"/api/v1/runs/{ids(store)['row-1']}/explained", json=body)
    assert answer.status_code == 400
    says = "must be one of the choices" if isinstance(body, dict) else "must be a JSON object"
    assert says in answer.json["error"]
    assert engine.jobs == []


def test_a_server_without_an_engine_says_what_to_do(store: Store) -> None:
    answer = client(store).post(f"/api/v1/runs/{ids(store)['row-1']}/explained", json={"target": " away"})
    assert answer.status_code == 400
    assert "headscope run" in answer.json["error"]
