"""The hand-over of a job over HTTP: what is no job is refused before it is stored."""

from __future__ import annotations

from pathlib import Path

from headscope.analysis.engines.inline import InlineEngine
from headscope.analysis.types import Prompt, PromptSet
from headscope.dashboard.app import create_app
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.jobs.request import JobRequest
from headscope.storage.repository import Store

HEADERS = {"Host": "127.0.0.1:8050", "Authorization": "Bearer t"}


def test_prompts_of_one_id_are_refused_and_no_job_is_stored(tmp_path: Path) -> None:
    prompts = PromptSet("s", "1", "", "", "x", (Prompt("a", "the cat"), Prompt("b", "the dog")))
    body = JobRequest("exp", "no-such-model", prompts, ("heads",)).to_json()
    body["prompt_set"]["prompts"][1]["id"] = "a"
    engine = InlineEngine()
    with Store.open(str(tmp_path / "a.duckdb")) as store:
        jobs = JobQueue(engine, store)
        try:
            app = create_app(Services(store, ServerEngine(engine, jobs), Settings(api_token="t")))
            answer = app.server.test_client().post("/api/v1/jobs", json=body, headers=HEADERS)
            assert answer.status_code == 400, answer.get_data(as_text=True)
            assert "prompts 1 and 2 of 's' both have the id 'a'" in answer.get_json()["error"]
            assert store.unfinished_jobs() == ()
        finally:
            jobs.close()
            engine.close()
