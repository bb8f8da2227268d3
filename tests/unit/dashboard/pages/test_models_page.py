"""The Models page without a browser: its rows, where they lead, its files, and the states in which nothing compares."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headscope.analysis.statistics.model_rows import MEASURES, ROUGH, model_rows
from headscope.analysis.types import Prompt
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.models import query as models_query
from headscope.dashboard.pages.models.page import SCOPED
from headscope.dashboard.pages.models.query import LISTED, ModelsQuery, facets_of, resolved
from headscope.dashboard.pages.patching.query import PatchingQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import Condition, RunFilter
from tests.factories import make_failure
from tests.models_store import FIRST, SECOND, N, fill, lone, save
from tests.page_parts import BrokenStore, hrefs, text_of

HOST = {"Host": "127.0.0.1:8050"}
CARDS = tuple(SCOPED.cards)
BOTH = {"model": FIRST, "beside_model": SECOND}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Store.open(str(tmp_path_factory.mktemp("models") / "store.duckdb")) as store:
        fill(store)
        yield Services(store)


def content(services: Services, card: str, **state: Any) -> Any:
    return SCOPED.content(f"models-{card}", services, ModelsQuery(**state))


def words(services: Services, card: str, **state: Any) -> str:
    return " ".join(text_of(content(services, card, **state)).split())


def test_the_summary_says_what_is_compared_and_every_measure(services: Services) -> None:
    said = words(services, "summary", **BOTH)
    assert f"{N + 2} prompts that both models ran" in said
    counted = (f"1 run by {FIRST} only", f"1 run by {SECOND} only", "1 of the same id with another text",
               f"1 failed on {SECOND}", "the newest counts (1 older)")  # fmt: skip
    for part in (*counted, "McNemar", "Wilson", "bits per character"):
        assert part in said, part
    for measure in MEASURES:
        assert measure.label in said
    sides = ModelsQuery(**BOTH).sides()
    found = services.store.models_beside(sides)
    margin = next(row for row in model_rows(found.measured, found.cells) if row.measure == "margin")
    assert f"{margin.first:.2f}" in said.replace("−", "-")


def test_of_many_runs_a_part_of_the_prompts_is_compared_and_the_page_says_so(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "drawn by a hash" not in text_of(SCOPED.bar(services.store, ModelsQuery(**BOTH), ""))
    total = services.store.runs_page(RunFilter((Condition("model", "in", (FIRST, SECOND)),)), limit=1).total
    for name in ("MOST", "DRAWN"):
        monkeypatch.setattr(models_query, name, total // 2)
    said = text_of(SCOPED.bar(services.store, ModelsQuery(**BOTH), ""))
    assert f"Of {total} runs those of {50 - 50 / total:.2g} % of the prompts are compared" in said
    part = services.store.models_beside(models_query.compared(services.store, ModelsQuery(**BOTH))).matched.both
    assert 0 < part < N
    assert f"{part} prompts that both models ran" in words(services, "summary", **BOTH)
    whole = services.store.flips(ModelsQuery(**BOTH).sides())
    listed = hrefs(content(services, "flips", **BOTH))
    assert 0 < sum(f"/run?id={row.first_run}" in listed for row in whole) < len(whole)


def test_where_all_targets_are_answers_target_over_foil_is_said_once(services: Services) -> None:
    facts = words(services, "summary", **BOTH, tag="fact")
    assert "Accuracy: target over foil" in facts
    assert "Target preferred to foil" not in facts
    people = words(services, "summary", **BOTH, tag="age")
    assert "Target preferred to foil" in people
    assert "Accuracy" not in people
    assert "Not measured on these prompts: Target is the top token" in people
    for card in ("summary", "calibration"):
        assert f"rough: {ROUGH}" in words(services, card, **BOTH, tag="fact")
    assert "No prompts with a right answer" in words(services, "calibration", **BOTH, tag="age")


def test_models_that_no_link_names_are_those_with_most_runs(services: Services) -> None:
    facets = facets_of(services.store, ModelsQuery())
    assert resolved(ModelsQuery(), facets) == ModelsQuery(**BOTH)
    assert resolved(ModelsQuery(model=SECOND), facets).names == (SECOND, FIRST)
    bar = SCOPED.bar(services.store, ModelsQuery(), "")
    assert f"/models?model={SECOND}&beside_model={FIRST}" in hrefs(bar)
    apart = ModelsQuery(**BOTH, experiment="late", beside_experiment="early")
    assert apart.names == (f"{FIRST} in late", f"{SECOND} in early")
    assert apart.swapped().names == (f"{SECOND} in early", f"{FIRST} in late")
    assert apart.swapped().swapped() == apart


def test_flips_lead_to_both_runs_to_compare_and_to_why(services: Services) -> None:
    rows = services.store.flips(ModelsQuery(**BOTH).sides())
    addresses = hrefs(content(services, "flips", **BOTH))
    for row in rows:
        assert f"/run?id={row.first_run}" in addresses
        assert f"/run?id={row.second_run}" in addresses
        assert f"/compare?a={row.first_run}&b={row.second_run}" in addresses
    whys = [PatchingQuery.from_query(href.partition("?")[2]) for href in addresses if href.startswith("/patching")]
    assert [(why.clean, why.model) for why in whys] == [(row.text, name) for row in rows for name in (FIRST, SECOND)]
    assert [why.corrupted for why in whys[::2]] == [row.partner for row in rows]
    assert {(why.target, why.foil, why.notes) for why in whys} <= {(" kind", " rude", ()), (" yes", " no", ())}
    assert "rude" not in words(services, "flips", **BOTH, tag="fact")
    gained = services.store.flips(ModelsQuery(**BOTH).sides(), "gained")
    assert f"1 to {len(gained)} of {len(gained)} flips" in words(services, "flips", **BOTH, which="gained")
    assert "No such page" in words(services, "flips", **BOTH, page=9)


def test_flips_are_paged(tmp_path: Path) -> None:
    prompts = [Prompt(f"p{i}", f"Prompt {i:02d} is", " yes", " no") for i in range(LISTED + 3)]
    with Store.open(str(tmp_path / "store.duckdb")) as store:
        for model, sign in ((FIRST, 1.0), (SECOND, -1.0)):
            runs = [lone(prompt.id) for prompt in prompts]
            for place, (run, prompt) in enumerate(zip(runs, prompts, strict=True)):
                assert run.target
                target = replace(run.target, foil_logprob=run.target.logprob - sign * (place + 1))
                runs[place] = replace(run, prompt=prompt, target=target)
            save(store, "paged", model, "many", runs)
        services = Services(store)
        first, second = (words(services, "flips", **BOTH, page=page) for page in (0, 1))
    assert first.startswith(f"1 to {LISTED} of {LISTED + 3} flips")
    assert first.index(f"Prompt {LISTED + 2} is") < first.index(f"Prompt {LISTED + 1} is")  # the largest change first
    assert "Prompt 00 is" in second
    assert "previous" in second


def test_empty_one_model_the_same_twice_no_prompt_in_common_and_failed(services: Services, tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "store.duckdb")) as store:
        alone = Services(store)
        assert "No runs yet" in words(alone, "summary")
        save(store, "one", FIRST, "asked", [lone("p")])
        said = words(alone, "summary")
        assert "One model only" in said
        assert "headscope run --prompts asked --model OTHER" in said
        assert "No such runs" in words(alone, "summary", experiment="none")
        for card in ("flips", "calibration"):
            assert content(alone, card) == (None, None)
        save(store, "one", SECOND, "asked", [lone("q"), make_failure(Prompt("p", "Only p", " yes", " no"))])
        assert "No prompt in common" in (said := words(alone, "summary", **BOTH))
        assert f"1 run by {SECOND} only; 1 failed on {SECOND}" in said
        save(store, "two", SECOND, "asked", [replace(lone("p"), target=None, prompt=Prompt("p", "Only p"))])
        save(store, "two", FIRST, "asked", [replace(lone("p"), target=None, prompt=Prompt("p", "Only p"))])
        assert "No margins to compare" in words(alone, "flips", **BOTH)
    same = words(services, "summary", model=FIRST, beside_model=FIRST)
    assert "These are the same runs twice" in same
    for card in CARDS:
        broken = SCOPED.content(card, Services(BrokenStore()), ModelsQuery(**BOTH))  # type: ignore[arg-type]
        assert "Could not show" in text_of(broken)


def test_files_hold_what_the_cards_show(services: Services) -> None:
    client = create_app(services).server.test_client()

    def lines(name: str, query: str = "") -> list[dict[str, str]]:
        answer = client.get(f"/api/v1/models/{name}?model={FIRST}&beside_model={SECOND}{query}", headers=HOST)
        return list(csv.DictReader(io.StringIO(answer.text)))

    sides = ModelsQuery(**BOTH).sides()
    found = services.store.models_beside(sides)
    for line, row in zip(lines("summary.csv"), model_rows(found.measured, found.cells), strict=True):
        assert (line["first_model"], line["second_model"]) == (FIRST, SECOND)
        assert (line["measure"], int(line["n"])) == (row.measure, row.n)
        assert "both models ran" in line["method"]
        assert (ROUGH in line["method"]) == (row.measure == "calibration_error")
    flips = services.store.flips(sides, limit=1000)
    assert [line["first_run"] for line in lines("flips.csv")] == [row.first_run for row in flips]
    assert len(lines("flips.csv", "&which=lost")) == found.measured["preferred"].only_first
    bins = lines("calibration.csv")
    assert sum(int(line["prompts"]) for line in bins if line["model"] == SECOND) == found.measured["brier"].n
    assert client.get("/api/v1/models/summary.csv?which=some", headers=HOST).status_code == 400
    assert client.get(f"/api/v1/models/summary.csv?model={FIRST}&beside_model={FIRST}", headers=HOST).status_code == 400
    assert client.get("/api/v1/models/other.csv", headers=HOST).status_code in (400, 404)
