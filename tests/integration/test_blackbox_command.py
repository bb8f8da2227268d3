"""`headscope blackbox` against a real server: llama.cpp serving the embedded model's own weights."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headscope.analysis.blackbox.answer_rows import TESTS
from headscope.analysis.blackbox.answers import Question
from headscope.analysis.blackbox.budget import Budget
from headscope.analysis.blackbox.client import Client, Endpoint
from headscope.dashboard.pages.blackbox.page import SCOPED
from headscope.dashboard.pages.compare.numbers import candidate_union
from headscope.dashboard.pages.compare.pair import Pair
from headscope.dashboard.pages.run.again import again, again_command
from headscope.dashboard.pages.run.cards import content
from headscope.dashboard.pages.run.query import RunQuery
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from tests.awkward_api import serving
from tests.cli import Done, headscope
from tests.page_parts import hrefs, text_of

PROMPTS = (
    {"text": "The capital of France is", "target": " Paris"},
    {"text": "Two plus two equals", "target": " four"},
    {"text": ""},
)
SHORT = ("--max-new-tokens", "6")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blackbox")
    (folder / "prompts.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in PROMPTS))
    return folder


@pytest.fixture(scope="module")
def made(folder: Path, api: str) -> Done:
    return ask(folder, api, "--store", "made.duckdb", *SHORT)


def ask(folder: Path, api: str, *more: str, model: str = "smol", key: str = "k-secret-1") -> Done:
    """The command with its own cache of answers in the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSCOPE_API_KEY", key)
        patch.setenv("HEADSCOPE_CACHE_DIR", str(folder / "cache"))
        patch.delenv("HEADSCOPE_STORE", raising=False)
        patch.chdir(folder)
        return headscope("blackbox", "--prompts", "prompts.jsonl", "--api", api, "--model", model,
                         "--permutations", "4", "--samples", "3", *more)  # fmt: skip


def calls(done: Done) -> int:
    found = re.search(r"asked: ([\d,]+) calls", done.stderr)
    assert found, done.stderr
    return int(found[1].replace(",", ""))


def rows(store: Path, query: str) -> list[dict[str, Any]]:
    done = headscope("sql", query, "--store", str(store), "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_prompt_is_a_run_with_scores_that_add_up(made: Done, folder: Path) -> None:
    assert made.returncode == 0, made.stderr
    store = folder / "made.duckdb"
    found = rows(store, "SELECT id, status, error, text FROM v_runs ORDER BY status, text")
    assert [row["status"] for row in found] == ["failed", "succeeded", "succeeded"]
    assert "empty" in found[0]["error"]
    with Store.open(str(store)) as opened:
        detail = opened.run(found[1]["id"])
    assert detail.model.ref.backend == "openai_compatible"
    scored = {one.method: one for one in detail.attributions}
    assert set(scored) == {"perturbation_logprob", "perturbation_edit", "perturbation_embedding"}
    logprob = scored["perturbation_logprob"]
    assert detail.trace is not None
    assert detail.trace.tokens.text == "The capital of France is"
    assert logprob.scores[3] > logprob.scores[:3].max()  # "France": without it nothing speaks for Paris
    (told,) = [row for row in detail.findings if row.probe == "perturbation"]
    measure = told.evidence["measures"]["logprob"]
    assert sum(measure["score"]) == pytest.approx(measure["full"] - measure["nothing"], abs=1e-5)
    assert all(low <= score <= high for score, low, high in
               zip(measure["score"], measure["low"], measure["high"], strict=True) if low is not None)  # fmt: skip


def test_the_same_again_asks_nothing(made: Done, folder: Path, api: str) -> None:
    assert calls(made) > 20
    assert calls(ask(folder, api, "--store", "again.duckdb", *SHORT)) == 0


def test_the_budget_ends_a_study_and_the_next_call_goes_on(folder: Path, shallow_api: str) -> None:
    first = ask(folder, shallow_api, "--store", "short.duckdb", "--budget-calls", "30", "--max-new-tokens", "3")
    assert calls(first) <= 30
    assert "budget may end" in first.stderr
    assert first.returncode != 0
    assert "budget" in first.stderr.splitlines()[-1] or "budget" in first.stderr
    rest = ask(folder, shallow_api, "--store", "short.duckdb", "--max-new-tokens", "3")
    assert rest.returncode == 0, rest.stderr
    found = rows(folder / "short.duckdb", "SELECT status, count(*) AS n FROM runs GROUP BY status ORDER BY status")
    assert found == [{"status": "failed", "n": 1}, {"status": "succeeded", "n": 2}]
    whole = calls(ask(folder, shallow_api, "--store", "whole.duckdb", "--max-new-tokens", "3", model="other-name"))
    assert calls(first) + calls(rest) == whole


def test_a_forced_target_has_the_log_probability_that_the_whole_vocabulary_tells(api: str, tmp_path: Path) -> None:
    changed = "of is"
    whole, few = (Client(Endpoint(api, "smol", candidates=told), Budget(), tmp_path) for told in (50_000, 3))
    (known,) = whole.ask([Question(changed, 1, about=" Paris")])
    (bounded,) = few.ask([Question(changed, 1, about=" Paris")])
    (forced,) = few.ask([Question(changed, 1, about=" Paris", force=known.ids[" Paris"])])
    assert known.first is not None
    assert bounded.first is not None
    assert " Paris" not in bounded.first
    assert forced.tokens == (" Paris",)
    assert forced.logprobs[0] == pytest.approx(known.first[" Paris"], abs=0.02)


def test_with_the_target_forced_nothing_is_only_a_bound(folder: Path, api: str) -> None:
    asked = ("--candidates", "3", "--samples", "0", "--no-edits", "--no-early", *SHORT)
    found = {}
    for name, more in (("bounds", ()), ("forced", ("--force-target",))):
        done = ask(folder, api, "--store", f"{name}.duckdb", *asked, *more)
        assert done.returncode == 0, done.stderr
        (row,) = rows(folder / f"{name}.duckdb", "SELECT p.evidence FROM probe_results p JOIN runs r "
                      "ON r.id = p.run_id WHERE p.probe = 'perturbation' AND r.text LIKE '%France%'")  # fmt: skip
        found[name] = row["evidence"] if isinstance(row["evidence"], dict) else json.loads(row["evidence"])
    assert found["bounds"]["censored"] > found["forced"]["censored"] == 0
    assert found["forced"]["forced"] == found["bounds"]["censored"] + 1


def test_chat_asks_the_other_address(folder: Path, shallow_api: str) -> None:
    done = ask(folder, shallow_api, "--store", "chat.duckdb", "--chat", "--no-edits", "--samples", "0")
    assert done.returncode == 0, done.stderr
    found = rows(folder / "chat.duckdb", "SELECT continuation FROM v_runs WHERE status = 'succeeded'")
    assert len(found) == 2
    assert all(row["continuation"] for row in found)


def test_tests_of_answers_are_stored_within_their_bound_and_asked_once(folder: Path, shallow_api: str) -> None:
    prompts = [
        {"id": "a", "text": "Question: Who is Oldrich Vemmerlund? Answer:", "group": "unanswerable", "pair_id": "who"},
        {"id": "b", "text": "Question: What is the capital city of Peru? Answer:", "target": " Lima",
         "group": "answerable", "pair_id": "who"},
        {"id": "c", "text": "The capital of Peru is", "group": "paraphrase 1", "pair_id": "peru"},
        {"id": "d", "text": "The capital city of Peru is called", "group": "paraphrase 2", "pair_id": "peru"},
    ]  # fmt: skip
    (folder / "tests.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    asked = ("--prompts", "tests.jsonl", "--test", "--store", "tests.duckdb", "--max-new-tokens", "6", "--samples", "1")
    done = ask(folder, shallow_api, *asked)
    assert done.returncode == 0, done.stderr
    bound = re.search(r"at most ([\d,]+) calls", done.stderr)
    assert bound
    assert calls(done) == int(bound[1]) < 40
    table = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert table[0] == "Tests of answers: smol in blackbox, 4 runs"
    assert any(re.fullmatch(r"Invariance harmless edits, same words \d+ % too few \d+ 2", line) for line in table)
    assert any(line.startswith("Knowledge boundary abstains, unanswerable ") for line in table)
    anew = ask(folder, shallow_api, *asked)
    assert (calls(anew), anew.stdout) == (0, done.stdout)
    names = "', '".join(TESTS)
    told = f"SELECT probe, count(*) AS n FROM probe_results WHERE probe IN ('{names}') GROUP BY probe"
    assert {row["probe"]: row["n"] for row in rows(folder / "tests.duckdb", told)} == {
        "abstention": 4, "answer_consistency": 4, "answer_invariance": 4, "target_stated": 1,
    }  # fmt: skip
    run = rows(folder / "tests.duckdb", "SELECT id FROM runs")[0]["id"]
    with Store.open(str(folder / "tests.duckdb")) as store:
        query = SCOPED.query.from_query({"experiment": "blackbox"})
        said = text_of(SCOPED.content("blackbox-answers", Services(store), query)[0])
        shown = text_of(content(store, RunQuery(id=run))[0])
    for row in ("other wordings of the set, same meaning", "harmless edits, same words", "abstains, answerable",
                "log-probability, unanswerable minus answerable"):  # fmt: skip
        assert row in said
    assert "--test" in shown


def test_the_command_of_a_tested_run_makes_the_same_run(folder: Path, shallow_api: str) -> None:
    prompts = [
        {"id": "c", "text": "The capital of Peru is", "group": "paraphrase 1", "pair_id": "peru", "target": " Lima"},
        {"id": "d", "text": "Peru's capital is", "group": "paraphrase 2", "pair_id": "peru", "target": " Lima"},
        {"id": "e", "text": "Who wrote Zzyzx?", "group": "unanswerable", "pair_id": "who"},
    ]
    (folder / "worded.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    asked = ("--prompts", "worded.jsonl", "--test", "--store", "worded.duckdb", "--max-new-tokens", "6")
    assert ask(folder, shallow_api, *asked).returncode == 0
    with Store.open(str(folder / "worded.duckdb")) as store:
        details = {row.prompt_key: store.run(row.id) for row in store.runs_page(RunFilter()).rows}
    assert "1 other wording of the question" in text_of(again(details["d"]))
    assert "this prompt only" in text_of(again(details["e"]))
    for key, detail in details.items():
        words = shlex.split(again_command(detail))
        pipe = words.index("|")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEADSCOPE_CACHE_DIR", str(folder / "cache"))
            patch.chdir(folder)
            made = headscope(*words[pipe + 2 :], "--store", f"{key}.duckdb", stdin="\n".join(words[2:pipe]))
        assert calls(made) == 0
        with Store.open(str(folder / f"{key}.duckdb")) as store:
            found = {row.prompt_key: store.run(row.id).result_key for row in store.runs_page(RunFilter()).rows}
        assert found[key] == detail.result_key


def test_a_dry_run_asks_nothing_and_stores_nothing(folder: Path) -> None:
    done = ask(folder, "http://127.0.0.1:9/v1", "--store", "none.duckdb", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "at most" in done.stderr
    assert not (folder / "none.duckdb").exists()


def test_nobody_there_is_said_in_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=waits.append))
    done = ask(folder, "http://127.0.0.1:9/v1", "--store", "nobody.duckdb")
    assert done.returncode != 0
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(waits) > 2
    assert min(waits) >= 1


def test_the_key_is_nowhere(made: Done, folder: Path) -> None:
    assert "k-secret-1" not in made.stderr + made.stdout
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"k-secret-1" not in path.read_bytes(), path


def test_a_key_that_the_server_sends_back_is_nowhere(folder: Path) -> None:
    key = "sk-echoed-by-the-server"
    with serving() as server:
        server.script = [(400, {"error": f"what is {key}?"}, {})]
        server.otherwise = (200, {"choices": [{"text": f" {key} yes"}], "usage": {"total_tokens": 5}}, {})
        done = ask(folder, server.url, "--store", "echo.duckdb", key=key)
        assert set(server.keys) == {f"Bearer {key}"}
    found = rows(folder / "echo.duckdb", "SELECT status, error, continuation FROM v_runs ORDER BY error")
    assert "what is [key]?" in " ".join(row["error"] or "" for row in found)
    assert [row["continuation"] for row in found if row["status"] == "succeeded"] == [" [key] yes"]
    with Store.open(str(folder / "echo.duckdb")) as store:
        services = Services(store)
        pages = [SCOPED.content(id_, services, SCOPED.query.from_query({"experiment": "blackbox"}))[0]
                 for id_ in SCOPED.cards]  # fmt: skip
        pages += [content(store, RunQuery(id=row["id"]))[0]
                  for row in rows(folder / "echo.duckdb", "SELECT id FROM runs")]  # fmt: skip
    shown = done.stdout + done.stderr + " ".join(map(text_of, pages))
    assert "echoed" not in shown
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"echoed" not in path.read_bytes(), path


def test_another_machine_is_asked_only_with_a_yes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSCOPE_ALLOW_OUTSIDE", raising=False)
    away = "http://192.0.2.1:1/v1"
    done = ask(folder, away, "--store", "away.duckdb", "--dry-run")
    assert done.returncode != 0
    assert "192.0.2.1 is not this machine" in " ".join(done.stderr.split())
    assert "HEADSCOPE_ALLOW_OUTSIDE=yes" in done.stderr
    monkeypatch.setenv("HEADSCOPE_ALLOW_OUTSIDE", "yes")
    assert ask(folder, away, "--store", "away.duckdb", "--dry-run").returncode == 0
    assert not (folder / "away.duckdb").exists()


def test_pages_show_what_was_stored(made: Done, folder: Path) -> None:
    page = SCOPED
    made_rows = rows(folder / "made.duckdb", "SELECT id FROM runs")
    with Store.open(str(folder / "made.duckdb")) as store:
        services = Services(store)
        for measure in ("logprob", "edit", "embedding"):
            query = page.query.from_query({"experiment": "blackbox", "measure": measure})
            for id_ in page.cards:
                body, actions = page.content(id_, services, query)
                assert "Could not" not in text_of(body), (id_, text_of(body))
                for link in [*hrefs(body), *hrefs(actions)]:
                    if link.partition("?")[0] == page.page.path:
                        assert page.query.from_query(link.partition("?")[2].partition("#")[0]).notes == ()
        query = page.query.from_query({"experiment": "blackbox"})
        assert "France" in text_of(page.content("blackbox-importance", services, query)[0])
        for id_ in ("blackbox-overview", "blackbox-importance"):  # four orders make no two halves
            assert "4 of 8 orders" in text_of(page.content(id_, services, query)[0])
        for row in made_rows:
            body, _ = content(store, RunQuery(id=row["id"]))
            assert "headscope blackbox" in text_of(body)


def test_compare_shows_of_two_runs_what_each_was_told(made: Done, folder: Path) -> None:
    found = rows(
        folder / "made.duckdb", "SELECT id, next_token FROM v_runs WHERE status = 'succeeded' ORDER BY text DESC"
    )
    with Store.open(str(folder / "made.duckdb")) as store:
        a, b = (store.run(row["id"]) for row in found)
    assert a.trace is not None
    assert b.trace is not None
    union = candidate_union(a.trace, b.trace, Pair(a, b).tokenizers == "same", (a.target, b.target))
    for side, trace in (("prob_a", a.trace), ("prob_b", b.trace)):
        told = dict(zip(trace.topk_texts[-1], np.exp(trace.topk_logprobs[-1]).tolist(), strict=True))
        shown = {one.text: getattr(one, side) for one in union if not np.isnan(getattr(one, side))}
        assert {text: shown[text] for text in told} == pytest.approx(told)
    columns = rows(folder / "made.duckdb", "SELECT explained_token, explained_token_id FROM run_details "
                   "WHERE explained_token IS NOT NULL")  # fmt: skip
    assert all(row["explained_token"] and row["explained_token_id"] is None for row in columns)
