"""Where the server may listen, with which token, and which models it loads for those who reach it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.errors import BackendError, InputError, UnknownNameError
from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.types import GenerationParams, Prompt, PromptSet
from headscope.analysis.types.interventions import InterventionRequest
from headscope.analysis.types.live import LiveContinueRequest, LiveExplainRequest, LiveExplanation, LiveRequest
from headscope.analysis.types.patching import PatchRequest
from headscope.dashboard import server
from headscope.dashboard.app import create_app
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.jobs.job import run_job
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from tests.factories import make_info, make_prompt, make_result, make_set

TOKEN = "0123456789abcdef0123"
POSTGRES = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("settings", "url", "says"),
    [
        (Settings(host="0.0.0.0"), POSTGRES, "--token-file"),
        (Settings(host="0.0.0.0", allowed_hosts=("lab.example",)), POSTGRES, "HEADSCOPE_TOKEN"),
        (Settings(host="192.0.2.1", token=TOKEN), POSTGRES, "--allowed-host"),
        (Settings(host="::"), POSTGRES, "--token-file"),
        (Settings(host=""), POSTGRES, "--token-file"),
        (Settings(host="0.0.0.0", token=TOKEN, allowed_hosts=("lab.example",)), "runs.duckdb", "PostgreSQL"),
    ],
)
def test_beyond_this_machine_there_must_be_a_token_and_a_name(settings: Settings, url: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        server.serve(url, settings, threads=2)


def test_an_address_in_use_is_said_also_for_ipv6() -> None:
    for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        try:
            taken = socket.create_server((host, 0), family=family)
        except OSError:
            pytest.skip(f"this machine has no {host}")
        with taken, pytest.raises(InputError, match="cannot listen"):
            server.serve("runs.duckdb", Settings(host=host, port=taken.getsockname()[1]), threads=2)
    assert Settings(host="::1", port=80).url == "http://[::1]:80"


def test_where_the_token_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSCOPE_TOKEN", raising=False)
    assert server.read_token(None) == ""
    monkeypatch.setenv("HEADSCOPE_TOKEN", TOKEN)
    assert server.read_token(None) == TOKEN
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}-of-the-file\n")
    assert server.read_token(file) == f"{TOKEN}-of-the-file"
    with pytest.raises(InputError, match="cannot be read"):
        server.read_token(tmp_path / "none")


@pytest.mark.parametrize("token", ["short", " ", "two words of enough length", "ü" * 20, "a" * 20 + "\n" + "b" * 20])
def test_a_token_that_cannot_be_sent_or_can_be_guessed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    (tmp_path / "token").write_text(token)
    monkeypatch.setenv("HEADSCOPE_TOKEN", token)
    for source in (None, tmp_path / "token"):
        with pytest.raises(InputError, match="openssl rand"):
            server.read_token(source)


def test_an_empty_token_file_is_not_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("")
    with pytest.raises(InputError, match="at least 16"):
        server.read_token(tmp_path / "token")


@pytest.fixture(scope="module")
def engine(
    tmp_path_factory: pytest.TempPathFactory, tiny_gpt2_dir: Path
) -> Iterator[tuple[ServerEngine, Store, InlineEngine]]:
    with Store.open(str(tmp_path_factory.mktemp("doors") / "s.duckdb")) as store, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSCOPE_MODEL_DIR", str(tiny_gpt2_dir.parent))
        inner = InlineEngine()
        jobs = JobQueue(inner, store)
        yield ServerEngine(inner, jobs), store, inner
        jobs.close()
        inner.close()


def job(model: str) -> JobRequest:
    return JobRequest("doors", model, PromptSet("s", "1", "", "", "x", (Prompt("a", "the cat"),)), ("heads",))


def folders(tiny: Path) -> list[str]:
    return [str(tiny), f"{tiny}/", f"../{tiny.name}", f"./{tiny.name}", ".", "..", f"~/{tiny.name}",
            f"x/../{tiny.name}", f"{tiny.name}/.", f"/{tiny.name}", "no-such-model", f"{tiny.name}\x00",
            f" {tiny.name}"]  # fmt: skip


def test_pages_load_only_what_is_listed(
    engine: tuple[ServerEngine, Store, InlineEngine], tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, store, _ = engine
    monkeypatch.chdir(tiny_gpt2_dir.parent)
    for name in folders(tiny_gpt2_dir):
        for ask in (
            lambda name=name: served.live(LiveRequest(name, "the cat")),
            lambda name=name: served.explain(LiveExplainRequest(LiveRequest(name, "the cat"), "token", "mean")),
            lambda name=name: served.write_on(LiveContinueRequest(name, "the cat", GenerationParams(2))),
            lambda name=name: served.patch(PatchRequest(name, "the cat", "the dog")),
            lambda name=name: served.intervene(InterventionRequest(name, "the cat")),
            lambda name=name: served.submit(job(name)),
        ):
            with pytest.raises(UnknownNameError, match="no folders"):
                ask()
    assert served.live(LiveRequest(tiny_gpt2_dir.name, "the cat")).info.n_layers == 3
    assert store.runs_page(RunFilter()).total == 0


def test_models_of_the_store_are_shown_and_not_loaded(
    tmp_path: Path, tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was given as a folder is in the store under that folder: pages name it, with the reason."""
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(tiny_gpt2_dir.parent))
    inner = InlineEngine()
    with Store.open(str(tmp_path / "s.duckdb")) as store:
        jobs = JobQueue(inner, store)
        served = ServerEngine(inner, jobs)
        assert [model.name for model in served.models() if model.source == "store"] == []
        run_job(inner, store, job(str(tiny_gpt2_dir)))
        run_job(inner, store, job(tiny_gpt2_dir.name))
        behind = make_info("behind")
        behind = replace(behind, ref=replace(behind.ref, backend=BLACK_BOX))
        asked = store.start_job(experiment="doors", model="behind", spec={}, total=1)
        store.save(asked, behind, make_set(make_prompt()), [], 0, [make_result(make_prompt())])
        assert [(model.name, model.ready) for model in served.models() if model.source == "api"] == [("behind", False)]
        shown = [model for model in served.models() if model.source == "store"]
        assert [(model.name, model.ready) for model in shown] == [(str(tiny_gpt2_dir), False)]
        assert "HEADSCOPE_MODEL_DIR" in shown[0].note
        with pytest.raises(UnknownNameError, match="no folders"):
            served.live(LiveRequest(shown[0].name, "the cat"))
        jobs.close()


def test_the_model_to_begin_with_is_loaded_before_it_is_asked_for(
    engine: tuple[ServerEngine, Store, InlineEngine], tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, _, inner = engine
    arrived, go = threading.Event(), threading.Event()
    explain = inner.explain

    def slow(request: LiveExplainRequest) -> LiveExplanation:
        arrived.set()
        assert go.wait(120)
        return explain(request)

    monkeypatch.setattr(inner, "explain", slow)
    served.warm(tiny_gpt2_dir.name)
    assert arrived.wait(120)
    assert served.loading() == tiny_gpt2_dir.name
    go.set()
    assert served.live(LiveRequest(tiny_gpt2_dir.name, "the cat")).info.n_layers == 3  # waits its turn
    ended(served)
    monkeypatch.setattr(inner, "explain", lambda request: (_ for _ in ()).throw(BackendError("no memory")))
    served.warm(tiny_gpt2_dir.name)
    ended(served)


def ended(served: ServerEngine) -> None:
    for thread in threading.enumerate():
        if thread.name == "headscope-warm":
            thread.join(120)
    assert served.loading() == ""


def test_a_model_that_is_not_here_is_refused_before_anything_is_opened(
    tmp_path: Path, tiny_gpt2_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSCOPE_MODEL_DIR", str(tiny_gpt2_dir.parent))
    server._check_model(tiny_gpt2_dir.name)
    server._check_model("none")
    store = tmp_path / "s.duckdb"
    with pytest.raises(UnknownNameError, match="headscope models list"):
        server.serve(str(store), Settings(port=0, live_model="no-such"), threads=2)
    assert not store.exists()


def test_a_listed_hub_name_does_not_open_a_folder_of_that_name(
    engine: tuple[ServerEngine, Store, InlineEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "hub" / "models--owner--name" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"")
    monkeypatch.setattr("headscope.analysis.models.hub._cache_root", lambda: tmp_path / "hub")
    monkeypatch.chdir(tmp_path)
    served = engine[0]
    served.only_listed("owner/name")
    served._listed.clear()
    (tmp_path / "owner" / "name").mkdir(parents=True)
    with pytest.raises(UnknownNameError, match="no folders"):
        served.only_listed("owner/name")


def test_the_api_says_so_and_the_hand_over_may_name_a_folder(
    engine: tuple[ServerEngine, Store, InlineEngine], tiny_gpt2_dir: Path
) -> None:
    served, store, _ = engine
    settings = Settings(api_token="t" * 20, token="team" * 5)
    client = create_app(Services(store, served, settings)).server.test_client()
    host = {"Host": "127.0.0.1:8050"}
    body = {"model": str(tiny_gpt2_dir), "text": "the cat", "client": "a", "sequence": 1}
    team = host | {"Authorization": "Bearer " + "team" * 5}
    given = {"/api/v1/live": body, "/api/v1/live/runs": body, "/api/v1/jobs": job(str(tiny_gpt2_dir)).to_json()}
    for path, content in given.items():
        refused = client.post(path, json=content, headers=team)
        assert refused.status_code == 404
        assert "headscope run --model" in refused.get_json()["error"]
    token = host | {"Authorization": "Bearer " + "t" * 20}
    taken = client.post("/api/v1/jobs", json=job(str(tiny_gpt2_dir)).to_json(), headers=token)
    assert taken.status_code == 202
    while served.jobs.is_active(taken.get_json()["job_id"]):
        time.sleep(0.02)
    assert served.jobs.state(taken.get_json()["job_id"]).error is None
