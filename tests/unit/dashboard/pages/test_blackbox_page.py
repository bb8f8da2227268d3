"""The Black box page without a browser: parts that were never taken out, what was not asked, the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.blackbox.page import SCOPED
from headscope.dashboard.pages.blackbox.query import BlackBoxQuery, studied
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.factories import make_info, make_result, make_set
from tests.page_parts import hrefs, text_of, walk

TOLD = {"score": [None, 2.5, -0.5], "low": [None, 2.0, -1.0], "high": [None, 3.0, 0.0], "rank": [0, 1, 2],
        "rank_low": [0, 1, 1], "rank_high": [0, 1, 2]}  # fmt: skip
EVIDENCE: dict[str, Any] = {
    "parts": ["The", " nurse", " slept"], "become": [None, " mechanic", " woke"], "measures": {"logprob": TOLD},
    "coalitions": 30, "saved": 12, "censored": 3, "exact": False, "settings": {"permutations": 16},
}  # fmt: skip
NONE = {**EVIDENCE, "become": [None] * 3, "measures": {}, "saved": 0}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    results = [
        replace(make_result(Prompt(f"p{i}", f"Number {i}"), seed=i),
                findings=(ProbeResult("perturbation", 0.9, None, evidence),))
        for i, evidence in enumerate((EVIDENCE, NONE))
    ]  # fmt: skip
    with Store.open(str(tmp_path_factory.mktemp("store") / "outside.duckdb")) as store:
        prompts = make_set(*(result.prompt for result in results), name="outside")
        job = store.start_job(experiment="outside", model="closed", spec={}, total=len(results))
        store.save(job, make_info("closed"), prompts, ["perturbation"], 0, results)
        _save_tested(store)
        yield Services(store)


def _save_tested(store: Store) -> None:
    """7 pairs: every unanswerable question is answered, but for two; each edit changes nothing."""
    results = []
    for i in range(7):
        for group in ("unanswerable", "answerable"):
            prompt = Prompt(f"{group}{i}", f"Who is {group} {i}?", group=group, pair_id=f"pair{i}")
            whose = {"pair": prompt.pair_id, "group": group}
            abstains = float(group == "unanswerable" and i < 2)
            rows = [{"kind": "edit", "same": True, "meaning": None, "of": ""}] * 4
            results.append(replace(make_result(prompt, seed=i), findings=(
                ProbeResult("abstention", abstains, None, {**whose, "mean_logprob": -1.0 - abstains}),
                ProbeResult("answer_invariance", 1.0, None, {**whose, "again": rows}),
            )))  # fmt: skip
    job = store.start_job(experiment="tested", model="asked", spec={}, total=len(results))
    prompts = make_set(*(result.prompt for result in results), name="boundary")
    store.save(job, make_info("asked"), prompts, ["abstention"], 0, results)


def card(services: Services, id_: str, **query: Any) -> tuple[Any, Any]:
    return SCOPED.content(id_, services, BlackBoxQuery(experiment="outside", **query))


def test_parts_say_what_they_became_and_which_were_never_taken_out(services: Services) -> None:
    body, actions = card(services, "blackbox-importance")
    titles = [getattr(part, "title", None) or "" for part in walk(body)]
    assert any("never taken out" in title for title in titles)
    assert any("becomes" in title and "mechanic" in title for title in titles)
    assert "settled early (12 not asked)" in text_of(body)
    assert "no word of the prompt has a counterpart" in text_of(body)
    assert any("/api/v1/blackbox/parts.csv" in link for link in hrefs(actions))
    assert "12" in text_of(card(services, "blackbox-overview")[0])


def test_the_file_holds_every_part_and_leaves_empty_what_was_not_measured(services: Services) -> None:
    client = create_app(services).server.test_client()
    found = client.get("/api/v1/blackbox/parts.csv?experiment=outside", headers={"Host": "127.0.0.1:8050"})
    assert found.status_code == 200, found.json
    rows = list(csv.DictReader(io.StringIO(found.text)))
    assert [(row["part"], row["becomes"], row["score"], row["rank"]) for row in rows] == [
        ("The", "", "", ""), (" nurse", " mechanic", "2.5", "1"), (" slept", " woke", "-0.5", "2"),
    ]  # fmt: skip
    assert {(row["changed_prompts"], row["not_asked"], row["only_bounded"], row["exact"]) for row in rows} == {
        ("30", "12", "3", "0")
    }
    assert all(row["method"].startswith("Shapley value") for row in rows)
    empty = client.get("/api/v1/blackbox/parts.csv?experiment=outside&measure=edit", headers={"Host": "127.0.0.1:8050"})
    assert list(csv.DictReader(io.StringIO(empty.text))) == []
    wrong = client.get("/api/v1/blackbox/parts.csv?measure=size", headers={"Host": "127.0.0.1:8050"})
    assert wrong.status_code == 400


def test_a_page_or_file_of_some_runs_says_of_how_many(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = services.store.finding_sample
    said = "A fixed random sample: 1 of 2"
    assert said not in text_of([card(services, id_)[0] for id_ in SCOPED.cards])
    monkeypatch.setattr(
        services.store, "finding_sample", lambda where, probe, most=9: drawn(where, probe, min(most, 1))
    )
    assert f"{said} runs" in text_of(card(services, "blackbox-importance")[0])
    assert f"{said} findings of perturbation" in text_of(card(services, "blackbox-overview")[0])
    found = studied(services.store, BlackBoxQuery(experiment="outside"))
    assert (len(found.rows), found.total) == (1, 2)
    client = create_app(services).server.test_client()
    for search in ("", "&sort=certain"):
        address = f"/api/v1/blackbox/parts.csv?experiment=outside{search}"
        for row in csv.DictReader(io.StringIO(client.get(address, headers={"Host": "127.0.0.1:8050"}).text)):
            assert row["method"].endswith(f"{said} runs.")


def test_tests_of_answers_have_intervals_and_lead_to_runs(services: Services) -> None:
    body, actions = SCOPED.content("blackbox-answers", services, BlackBoxQuery(experiment="tested"))
    said = " ".join(text_of(body).split())
    low, high = wilson(7, 7)  # the prompts of a pair are one observation
    same = f"Invariance harmless edits, same words 100 % [{100 * low:.0f}, {100 * high:.0f}] 56 7"
    assert same in said
    assert "abstains, unanswerable 29 % [" in said
    assert "and 4 other runs" in said
    assert "Could not" not in said
    assert any(link.startswith("/run?id=") for link in hrefs(body))
    assert any("/api/v1/blackbox/tests.csv" in link for link in hrefs(actions))
    assert card(services, "blackbox-answers") == (None, None)  # nothing was tested there
    hidden = SCOPED.content("blackbox-importance", services, BlackBoxQuery(experiment="tested"))
    assert hidden == (None, None)


def test_the_file_of_tests_has_every_number_of_the_card(services: Services) -> None:
    client = create_app(services).server.test_client()
    found = client.get("/api/v1/blackbox/tests.csv?experiment=tested", headers={"Host": "127.0.0.1:8050"})
    rows = {row["of_what"]: row for row in csv.DictReader(io.StringIO(found.text))}
    assert rows["abstains, unanswerable"]["value"] == str(2 / 7)
    assert (rows["abstains, unanswerable"]["answers"], rows["abstains, unanswerable"]["runs_against"]) == ("7", "5")
    assert float(rows["abstains, unanswerable minus answerable"]["value"]) == pytest.approx(2 / 7)
    assert rows["low log-probability tells unanswerable"]["unit"] == "area under the curve"
    assert all(row["method"] for row in rows.values())
    wrong = client.get("/api/v1/blackbox/tests.csv?measure=size", headers={"Host": "127.0.0.1:8050"})
    assert wrong.status_code == 400
