"""What else of a run can be explained, over HTTP: stored ones, those to compute, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headscope.dashboard.api.explained import Explained, again_request, choices_of
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
    found = answer["choices"]
    assert [(c["label"], c["current"], c["run"]) for c in found if c["quantity"] == "logprob" and not c["group"]] == [
        ("“␣away” − “␣off”", True, run["row-1"]),
        ("“␣away”", False, None),
        ("“␣off”", False, run["row-9"]),
        ("“␣off” − “␣away”", False, None),
    ]
    grouped = {(c["group"], c["target"], c["foil"], c["explain"]) for c in found if c["group"]}
    assert grouped == {
        ("Chosen against runner-up", " top7", " second", "next"),
        ("Against another candidate", " away", " second", "next"),  # the other one is the target itself
        ("All tokens together", " away", " off", "target"),
    }
    assert {c["quantity"] for c in found if c["explain"] == "target"} == {"logprob"}
    assert sum(c["quantity"] == "logit" for c in found) == 6
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
    whole = {"target": " away", "foil": " off", "explain": "target"}
    client(store, engine).post(f"/api/v1/runs/{run}/explained", json=whole)
    logit = {"target": " off", "foil": " away", "quantity": "logit"}
    client(store, engine).post(f"/api/v1/runs/{run}/explained", json=logit)
    assert [(job.quantity, job.explain) for job in engine.jobs[1:]] == [("logprob", "target"), ("logit", "next")]
    assert len({job.prompt_set.prompts[0].id for job in engine.jobs}) == 3


def test_a_run_without_a_target_explains_the_models_own_choice_and_offers_the_runner_up(store: Store) -> None:
    detail = store.run(ids(store)["row-1"])
    assert detail.target is not None
    own = replace(detail, row=replace(detail.row, target=None, foil=None),
                  target=replace(detail.target, text=" top7", chosen="predicted", foil_text=None))  # fmt: skip
    found = [c for c in choices_of(store, own) if c.explained.quantity == "logprob"]
    assert (found[0].label, found[0].current, found[0].explained.target) == ("“␣top7”", True, None)
    (against,) = [c for c in found if c.group == "Chosen against runner-up"]
    assert (against.explained.target, against.explained.foil) == (" top7", " second")


def test_settings_of_the_capsule_are_kept(store: Store) -> None:
    detail = store.run(ids(store)["row-1"])
    kept = {"params": {"smoothgrad": {"samples": 9}}, "quantity": "logit", "explain": "continuation"}
    job = again_request(
        replace(detail, capsule={**detail.capsule, **kept}), Explained(" off", None, "logit", "continuation")
    )
    assert (job.params, job.quantity, job.explain) == (kept["params"], "logit", "continuation")


NOT_OFFERED = (
    {"target": " other", "foil": None},
    {"target": " away", "quantity": "sum"},
    {"target": " away", "explain": "target", "quantity": "logit"},
    {"target": None},
    {},
)


@pytest.mark.parametrize("body", [*NOT_OFFERED, [1], "x"])
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
