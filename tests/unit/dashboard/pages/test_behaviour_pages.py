"""Toxicity, Bias, Confidence and Failures without a browser: full, empty, broken, and every link understood."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult, ToxicityScore
from headscope.dashboard import links
from headscope.dashboard.app import create_app
from headscope.dashboard.pages.bias import page as bias
from headscope.dashboard.pages.bias.query import BiasQuery, compared, runs_of
from headscope.dashboard.pages.confidence import page as confidence
from headscope.dashboard.pages.failures import page as failures
from headscope.dashboard.pages.failures.query import FailuresQuery
from headscope.dashboard.pages.toxicity import page as toxicity
from headscope.dashboard.scoped.page import ScopedPage
from headscope.dashboard.services import Services
from headscope.jobs.detection import detect, experiment_runs
from headscope.storage.repository import Store
from tests import offensive_store
from tests.factories import make_info, make_result, make_set
from tests.offensive_store import RUDE
from tests.page_parts import BrokenStore, hrefs, text_of

HOST = {"Host": "127.0.0.1:8050"}
SCOPED: dict[str, ScopedPage[Any]] = {page.page.name: page for page in (
    toxicity.SCOPED, bias.SCOPED, confidence.SCOPED, failures.SCOPED)}  # fmt: skip
ORIGIN = {**HOST, "Origin": "http://127.0.0.1:8050"}


def fill(store: Store) -> None:
    """Six pairs; "cook" and "clerk" are said to share a wording."""
    prompts = [
        Prompt(f"{word}-{group}", f"The {word} {group} was very", " kind", " rude", group, word,
               ("manners", f"template:{word[0]}", "context:3"))
        for word in ("nurse", "cook", "judge", "clerk", "guide", "pilot")
        for group in ("old", "young")
    ]  # fmt: skip
    results = []
    for i, prompt in enumerate(prompts):
        findings = (
            ToxicityScore("prompt", "toxic", 0.1, "judge-1"),
            ToxicityScore(
                "continuation", "toxic", 0.05 * i + 0.3, "judge-1", {"tokens": ["and", "slept"], "scores": [0.7, -0.2]}
            ),
            ProbeResult("self_consistency", 0.4, None, {"answers": {"kind": 2, "old": 3}, "entropy": 0.6}),
            ProbeResult("sampled_toxicity", 0.7, None, {"continuations": ["bad one"], "scores": [0.7]}),
            ProbeResult("sentiment", 0.01 * i - 0.1, "neutral", {"classifier": "vader-1", "prompt": 0.0}),
        )
        results.append(replace(make_result(prompt, seed=i), findings=findings))
    job = store.start_job(experiment="people", model="tiny", spec={}, total=len(prompts))
    store.save(job, make_info("tiny"), make_set(*prompts, name="manners"), ["toxicity"], 0, results)
    detect(store, experiment_runs("people"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "behaviour.duckdb")) as opened:
        fill(opened)
        yield opened


def shown(page: ScopedPage[Any], services: Services, **query: Any) -> dict[str, str]:
    state = page.query.from_query({"experiment": "people", **query})
    return {id_: text_of(page.content(id_, services, state)[0]) for id_ in page.cards}


@pytest.mark.parametrize("name", SCOPED)
def test_every_card_is_filled_and_every_link_understood(store: Store, name: str) -> None:
    page, services = SCOPED[name], Services(store)
    state = page.query.from_query({"experiment": "people"})
    for id_ in page.cards:
        body, actions = page.content(id_, services, state)
        assert "Could not" not in text_of(body), text_of(body)
        for link in [*hrefs(body), *hrefs(actions)]:
            path, _, rest = link.partition("?")
            if path == page.page.path:
                assert page.query.from_query(rest.partition("#")[0]).notes == ()


@pytest.mark.parametrize("name", SCOPED)
def test_no_experiment_an_empty_one_and_a_broken_store(store: Store, name: str, tmp_path: Path) -> None:
    page = SCOPED[name]
    assert page.content(next(iter(page.cards)), Services(store), page.query()) == (None, None)
    for id_, words in shown(page, Services(store), prompt_set="none").items():
        assert "Could not" not in words, (id_, words)
    broken = Services(BrokenStore())
    first = next(iter(page.cards))
    assert "Could not" in text_of(page.content(first, broken, page.query(experiment="people"))[0])
    with Store.open(str(tmp_path / "empty.duckdb")) as empty:
        client = create_app(Services(empty)).server.test_client()
        assert client.get(page.page.path, headers=HOST).status_code == 200


def test_bias_shows_the_effect_its_pairs_and_its_wordings(store: Store) -> None:
    services = Services(store)
    words = shown(bias.SCOPED, services)["bias-effects"]
    assert "old − young" in words
    assert "contrasts are marked" in words
    (row,) = compared(store, BiasQuery(experiment="people"))
    assert (row.effect.n, row.effect.groups, row.attribute) == (6, 5, "manners")
    expected = {pair.pair_id: pair.a_value - pair.b_value for pair in row.pairs}
    measures = store.measures(experiment_runs("people"))
    margin = {(p, g): m for p, g, m in zip(measures.pair_id, measures.group, measures.margin, strict=True)}
    assert expected == pytest.approx({p: margin[p, "old"] - margin[p, "young"] for p in expected})
    behind = shown(bias.SCOPED, services, row=row.key)
    assert "The nurse old was very" in behind["bias-pairs"]
    assert "5 wordings" in behind["bias-wording"]
    likelier = runs_of(store, BiasQuery(experiment="people", measure="loglik")).members
    trace = store.run(likelier.run_id[0]).trace
    assert trace is not None
    assert likelier.value[0] == pytest.approx(float(trace.logprobs[1:].sum()), rel=1e-5)
    assert "old − young" in shown(bias.SCOPED, services, measure="toxicity")["bias-effects"]
    (tone,) = compared(store, BiasQuery(experiment="people", measure="sentiment"))
    assert tone.effect.mean == pytest.approx(-0.01)
    words = shown(bias.SCOPED, services, measure="sentiment")["bias-effects"]
    assert "old − young" in words
    assert LIMITS["sentiment"] in words
    unread = shown(bias.SCOPED, services, measure="regard")["bias-effects"]
    assert "Per-group regard needs continuations" in unread
    assert "--analyses regard" in unread
    assert "headscope score --experiment people --scorer regard" in unread


def test_toxic_texts_are_covered_and_the_scorer_is_audited_elsewhere(store: Store) -> None:
    words = shown(toxicity.SCOPED, Services(store))
    assert "covered:" in words["toxicity-texts"]
    assert "0.700" in words["toxicity-buckets"]
    body, _ = toxicity.SCOPED.content("toxicity-scores", Services(store), toxicity.SCOPED.query(experiment="people"))
    assert "/scorer?experiment=people" in hrefs(body)


def test_rates_say_which_they_are_and_lead_to_their_texts(store: Store) -> None:
    page, services = toxicity.SCOPED, Services(store)
    state = page.query.from_query({"experiment": "people"})
    body, _ = page.content("toxicity-scores", services, state)
    words = text_of(body)
    assert "judge-1 has no card here" in words  # raw only, and why
    assert "8 of 12" in words  # .30, .35, ... .85 from .5 on
    (behind,) = (link for link in hrefs(body) if "part=continuation" in link)
    listed, _ = page.content("toxicity-texts", services, page.query.from_query(behind.partition("?")[2].split("#")[0]))
    assert "1 to 8 of 8 texts that it scored 0.50 or higher" in " ".join(text_of(listed).split())
    assert any(link.startswith("/live?text=The%20pilot") for link in hrefs(listed))
    open_wide = shown(page, services, threshold="90", which="any", part="continuation")["toxicity-texts"]
    assert open_wide.count("covered:") == 8  # from the judge's own threshold on, whichever is chosen
    higher = shown(page, services, threshold="75")
    assert "3 of 12" in higher["toxicity-scores"]
    assert "tiny" in shown(page, services, by="model")["toxicity-scores"]
    assert "0.5" in shown(page, services, by="temperature")["toxicity-scores"]
    assert "No scored texts" in shown(page, services, temperature="0.75")["toxicity-texts"]
    assert "over all 24 texts" in shown(page, services, shape="cumulative")["toxicity-spread"]


def test_rates_are_given_as_a_file_with_their_method(store: Store) -> None:
    client = create_app(Services(store)).server.test_client()
    body = client.get("/api/v1/toxicity/rates.csv?experiment=people&by=model", headers=HOST).get_data(as_text=True)
    rows = {row["part"]: row for row in csv.DictReader(io.StringIO(body))}
    mine = rows["continuation"]
    assert (mine["group"], mine["n"], mine["flagged"], mine["corrected"]) == ("tiny", "12", "8", "")
    assert float(mine["raw"]) == pytest.approx(8 / 12)
    assert "Rogan and Gladen" in mine["method"]
    assert client.get("/api/v1/toxicity/rates.csv?threshold=x", headers=HOST).status_code == 400


def test_failures_can_be_judged_and_made_a_suite(store: Store) -> None:
    services = Services(store, findings=store)
    client = create_app(services).server.test_client()
    case = store.failures_page(FailuresQuery(experiment="people").which())[0][0]
    body = {"run_id": case.run_id, "detector": case.detector, "status": "confirmed", "note": "yes"}
    answer = client.post("/api/v1/failures/triage", json=body, headers=ORIGIN)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "confirmed")
    assert "yes" in shown(failures.SCOPED, services, status="confirmed")["failures-cases"]
    for wrong in ({**body, "status": "perhaps"}, {**body, "note": 3}, {"status": "open"}, {**body, "tags": "x"}):
        refused = client.post("/api/v1/failures/triage", json=wrong, headers=ORIGIN)
        assert refused.status_code == 400
        assert refused.get_json()["error"]
    elsewhere = client.post("/api/v1/failures/triage", json=body, headers={**HOST, "Origin": "http://evil.example"})
    assert elsewhere.status_code == 403
    lines = (
        client.get("/api/v1/failures/suite.jsonl?experiment=people", headers=HOST).get_data(as_text=True).splitlines()
    )
    prompts = [json.loads(line) for line in lines]
    assert len({prompt["text"] for prompt in prompts}) == len(prompts) == 12
    assert all("toxic_continuation" in prompt["tags"] for prompt in prompts)
    table = client.get("/api/v1/failures/failures.csv?experiment=people&status=confirmed", headers=HOST)
    assert len(table.get_data(as_text=True).splitlines()) == 2
    assert client.get("/api/v1/failures/suite.jsonl?page=x", headers=HOST).status_code == 400
    tags = [" rude ", "rude", "", "of 2026"]
    tagged = client.post("/api/v1/failures/triage", json={**body, "tags": tags}, headers=ORIGIN)
    assert tagged.get_json()["tags"] == ["rude", "of 2026"]
    for wrong in (["x" * 61], [str(i) for i in range(21)]):
        assert client.post("/api/v1/failures/triage", json={**body, "tags": wrong}, headers=ORIGIN).status_code == 400
    state = failures.SCOPED.query.from_query({"experiment": "people", "triage_tag": "of 2026"})
    cases, actions = failures.SCOPED.content("failures-cases", services, state)
    assert "#rude" in text_of(cases)
    assert "1  failures" in text_of(cases)
    assert "Your tag" in text_of(actions)
    assert any("triage_tag=rude" in link for link in hrefs(cases))
    assert create_app(Services(store)).server.test_client().post(
        "/api/v1/failures/triage", json=body, headers=ORIGIN).status_code == 400  # fmt: skip


def test_a_case_says_why_beside_the_nearest_run_that_passed(store: Store) -> None:
    client = create_app(Services(store)).server.test_client()
    rows, _ = store.failures_page(FailuresQuery(experiment="people").which())
    case = next(row for row in rows if row.detector == "toxic_continuation")
    address = links.failure_why(case.run_id, case.detector)
    found = client.get(address, headers=HOST).get_json()
    passed, total = store.passing_runs(case.run_id, case.detector)
    strip = found["strips"][0]
    run = store.run(case.run_id)
    scores = next(item for item in run.attributions if item.method == "input_x_gradient").scores
    assert strip["scores"] == pytest.approx(scores.tolist())  # signed scores before sizes
    assert run.trace is not None
    assert strip["tokens"] == list(run.trace.tokens.texts)
    if total == 0:
        assert "passed this detector" in found["said"]
    else:
        mine = [row for row in passed if row.pair_id == case.pair_id] or list(passed)
        assert found["strips"][1]["href"] in {links.run(row.run_id) for row in mine}
    assert client.get(links.failure_why("01a20a6b-0000-7000-8000-000000000000", "x"), headers=HOST).status_code == 404


def test_an_offensive_case_keeps_its_words_from_whoever_covers_them(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "offensive.duckdb")) as store:
        offensive_store.fill(store)
        client = create_app(Services(store)).server.test_client()
        run = offensive_store.row(store, "cook-old")
        address = links.failure_why(run.id, "toxic_continuation")
        assert RUDE not in client.get(address, headers=HOST).get_data(as_text=True)
        assert "covered" in client.get(address, headers=HOST).get_json()["strips"][0]["missing"]
        client.set_cookie("headscope-offensive", "shown", domain="127.0.0.1")
        assert RUDE in client.get(address, headers=HOST).get_data(as_text=True)
