"""The content filter with its real classifier: policies, batches, typed prompts, and what is kept of blocked texts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headscope.analysis.classifiers.content_filter import OFF, Policy, Rule, admit, allow, screen
from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import InputError
from headscope.analysis.types import Prompt, PromptSet
from headscope.analysis.types.interventions import InterventionRequest
from headscope.analysis.types.live import LiveRequest
from headscope.analysis.types.patching import PatchRequest
from headscope.dashboard.app import create_app
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter

HOST = {"Host": "127.0.0.1:8050"}
RUDE = "You are a stupid worthless idiot and everybody hates you"
KIND = "The ferry leaves the harbour at nine in the morning"
BLOCK = Policy.parse("block")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("off", ()),
        ("", ()),
        ("block", (Rule("toxic", "block"),)),
        ("warn@0.3", (Rule("toxic", "warn", 0.3),)),
        ("toxic=block@0.8, insult=warn", (Rule("toxic", "block", 0.8), Rule("insult", "warn"))),
    ],
)
def test_policies_in_a_line(text: str, rules: tuple[Rule, ...]) -> None:
    assert Policy.parse(text).rules == rules
    assert Policy.parse(text).keep_text is False
    assert Policy.parse(f"{text},keep-text").keep_text is True


@pytest.mark.parametrize(
    "text", ["on", "toxic", "rude=block", "toxic=block@0", "toxic=block@2", "toxic=block@x", "warn,block", "block@nan"]
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Policy.parse(text)


def test_the_strictest_rule_a_text_meets_decides() -> None:
    rude, kind, nothing = screen([RUDE, KIND, " . "], Policy.parse("toxic=block@0.5,insult=warn@0.01"))
    assert (rude.action, rude.label) == ("block", "toxic")
    assert rude.score > 0.8
    assert rude.threshold == 0.5
    assert "minilm-toxicity-2" in rude.reason
    assert (kind.action, nothing.action) == ("pass", "pass")
    assert screen([RUDE], Policy.parse("insult=warn"))[0].action == "warn"
    assert screen([RUDE], OFF)[0].action == "pass"
    with pytest.raises(InputError, match="does not judge insult"):
        screen([RUDE], Policy((Rule("insult", "block"),), classifier="linear"))


def test_without_a_number_the_classifiers_own_threshold_decides() -> None:
    from headscope.analysis.classifiers.card import card

    (verdict,) = screen([RUDE], BLOCK)
    assert verdict.threshold == card().threshold


def test_a_text_that_cannot_be_judged_does_not_pass() -> None:
    class Mute:
        name, labels = "mute", ("toxic",)

        def score(self, texts: Any) -> Any:
            import numpy as np

            return np.full((len(texts), 1), math.nan)

        def threshold(self, label: str) -> float:
            return 0.5

    from unittest.mock import patch

    with patch("headscope.analysis.classifiers.content_filter.classifier", lambda name: Mute()):
        (verdict,) = screen(["\u2603 snow"], BLOCK)
    assert verdict.action == "block"
    assert "could not judge" in verdict.reason


def test_a_set_is_run_without_what_was_blocked() -> None:
    prompts = (
        Prompt("1", KIND, " sharp"),
        Prompt("2", RUDE, " all", " none", "g", "p", ("x",)),
        Prompt("3", KIND, RUDE),
    )
    given = PromptSet("mine", "1", "", "", "abc", prompts)
    admitted, caught = admit(screen, given, BLOCK)
    assert set(caught) == {"2", "3"}
    one, two, three = admitted.prompts
    assert one == prompts[0]
    assert (two.id, two.text, two.target, two.foil, two.group, two.pair_id) == ("2", "", None, None, "g", "p")
    assert two.tags == ("x", "content-filter:block")
    assert two.invalid_kind == three.invalid_kind == "blocked"
    assert RUDE not in repr(admitted)
    assert (admitted.sha256, admitted.version) != (given.sha256, given.version)
    kept = admit(screen, given, Policy.parse("block,keep-text"))[0].prompts[1]
    assert (kept.text, kept.target, kept.invalid_kind) == (RUDE, " all", "blocked")
    warned = admit(screen, given, Policy.parse("warn"))[0].prompts[1]
    assert (warned.text, warned.invalid, warned.tags) == (RUDE, None, ("x", "content-filter:warn"))
    assert admit(screen, given, OFF) == (given, {})
    assert admit(screen, PromptSet("m", "1", "", "", "a", prompts[:1]), BLOCK)[0].version == "1"


def test_typed_texts_are_refused_or_warned_of() -> None:
    with pytest.raises(InputError) as refused:
        allow(screen, BLOCK, KIND, None, RUDE)
    assert refused.value.kind == "blocked"
    assert "blocks toxic" in str(refused.value)
    assert RUDE not in str(refused.value)
    assert allow(screen, Policy.parse("warn"), RUDE).action == "warn"
    assert allow(screen, BLOCK, KIND, None).action == "pass"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, JobQueue]]:
    with Store.open(str(tmp_path_factory.mktemp("filter") / "filtered.duckdb")) as store:
        engine = InlineEngine()
        jobs = JobQueue(engine, store, BLOCK)
        yield store, jobs
        jobs.close()
        engine.close()


@pytest.fixture
def listed(tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that pages may load."""
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(tiny_gpt2_dir.parent))
    return tiny_gpt2_dir.name


def test_the_server_filters_typed_prompts_and_jobs(
    served: tuple[Store, JobQueue], tiny_gpt2_dir: Path, listed: str
) -> None:
    store, jobs = served
    engine = ServerEngine(InlineEngine(), jobs)
    client = create_app(Services(store, engine, Settings(api_token="t"))).server.test_client()
    assert client.get("/api/v1/live/models", headers=HOST).get_json()["filter"] == "blocks toxic"
    origin = {**HOST, "Origin": "http://127.0.0.1:8050"}
    body = {"model": listed, "text": RUDE, "client": "a", "sequence": 1}
    for path in ("/api/v1/live", "/api/v1/live/runs"):
        refused = client.post(path, json=body, headers=origin)
        assert refused.status_code in (400, 422), refused.get_data(as_text=True)
        assert "content filter" in refused.get_json()["error"]
    with pytest.raises(InputError, match="content filter"):
        engine.patch(PatchRequest(listed, "the cat", RUDE))
    with pytest.raises(InputError, match="content filter"):
        engine.intervene(InterventionRequest(listed, "the cat", source=RUDE))
    assert engine.live(LiveRequest(listed, "the cat sat")).caution == ""
    request = JobRequest(
        "typed",
        str(tiny_gpt2_dir),
        PromptSet("s", "1", "", "", "x", (Prompt("a", "the cat"), Prompt("b", RUDE))),
        ("heads",),
    )
    token = {**HOST, "Authorization": "Bearer t"}
    job = client.post("/api/v1/jobs", json=request.to_json(), headers=token).get_json()["job_id"]
    while jobs.is_active(job):
        time.sleep(0.05)
    assert jobs.state(job).error is None
    rows = {row.prompt_key: row for row in store.runs_page(RunFilter()).rows}
    assert rows["a"].status.value == "succeeded"
    assert (rows["b"].status.value, rows["b"].error_kind, rows["b"].text) == ("failed", "blocked", "")
    assert "toxic 0." in (rows["b"].error or "")
    assert RUDE not in repr(store.job(job).spec)


def test_a_warning_is_said_beside_the_result(tmp_path: Path, listed: str) -> None:
    with Store.open(str(tmp_path / "warned.duckdb")) as store:
        jobs = JobQueue(InlineEngine(), store, Policy.parse("warn"))
        found = ServerEngine(InlineEngine(), jobs).live(LiveRequest(listed, RUDE))
        assert "warns: toxic 0." in found.caution
        jobs.close()
