"""Whatever a request holds, the answer is a sentence: 500 is for our own faults, and then the log has it.

HEADSCOPE_FUZZ_REQUESTS=10000 sends more of them than the suite does.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from dash import Dash
from flask.testing import FlaskClient

from headscope.analysis.engines.inline import InlineEngine
from headscope.dashboard.app import create_app
from headscope.dashboard.job_queue import JobQueue
from headscope.dashboard.server_engine import ServerEngine
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.storage.repository import Store
from headscope.storage.rows import RunFilter
from tests import method_runs, run_samples
from tests.request_fuzz import DEEP, HOST, TOKEN, requests, sources

COUNT = int(os.environ.get("HEADSCOPE_FUZZ_REQUESTS", "600"))
SEED = 20261125


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Runs with everything measured, a failed one, and methods with receipts."""
    with Store.open(str(tmp_path_factory.mktemp("fuzz") / "runs.duckdb")) as opened:
        method_runs.fill(opened)
        run_samples.keep(opened, run_samples.full(), run_samples.bare(), run_samples.failed())
        yield opened


@pytest.fixture(scope="module")
def app(store: Store, tiny_gpt2_dir: Any) -> Iterator[Dash]:
    engine = InlineEngine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSCOPE_MODEL_DIR", str(tiny_gpt2_dir.parent))
        jobs = JobQueue(engine, store)
        yield create_app(Services(store, ServerEngine(engine, jobs), Settings(api_token="token"), store))
        jobs.close()
        engine.close()


@pytest.fixture
def client(app: Dash) -> FlaskClient:
    return app.server.test_client()


def test_no_fuzzed_request_is_our_fault(
    app: Dash, client: FlaskClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    rows = store.runs_page(RunFilter()).rows
    ids = [row.id for row in rows if row.experiment == "samples"] + [row.id for row in rows[-3:]]
    wrong, met = [], set()
    for sent in requests(app, ids, COUNT, SEED):
        met.add(sent.of)
        caplog.clear()
        answer = client.open(
            sent.path, method=sent.method, data=sent.data, content_type=sent.content_type, headers=dict(sent.headers)
        )
        said = [record for record in caplog.records if record.levelno >= logging.ERROR and "jobs" not in record.name]
        if answer.status_code >= 500 or (sent.link and said):
            wrong.append((answer.status_code, str(sent), _reason(said)))
        elif answer.status_code >= 400 and sent.path.startswith("/api/") and sent.method != "HEAD":
            assert json.loads(answer.data)["error"], sent
        answer.close()
    assert sources(app) <= met
    assert not wrong, f"{len(wrong)} of {COUNT}:\n" + "\n\n".join("\n".join(map(str, item)) for item in wrong[:8])


def _reason(records: list[logging.LogRecord]) -> str:
    return "".join(logging.Formatter().format(record)[-600:] for record in records[:1])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "no JSON"),
        (DEEP, "nested too deeply"),
        (b'{"statement": "SELECT 1", "timeout": NaN}', "NaN is not JSON"),
        (b'{"statement": "SELECT 1", "timeout": 1e999}', "too large"),
        (b'{"statement": "SELECT 1", "statement": "SELECT 2"}', "twice"),
        (b'{"statement": "\\ud83e"}', "surrogate"),
        (b"\xff", "utf-8"),
        (b"[]", "must be a JSON object, not list"),
        (b"{}", "statement must be text"),
        *(
            (json.dumps({"statement": "SELECT 1", "timeout": value}).encode(), "timeout must be a number of seconds")
            for value in (0, -1, 1e300, "5", None, True, 10**30)
        ),
        *(
            (json.dumps({"statement": "SELECT 1", "limit": value}).encode(), "limit must be a whole number")
            for value in (0, -1, 1e300, "5", None, True, 1.5, 10**30)
        ),
    ],
)
def test_a_wrong_body_is_refused_in_words(client: FlaskClient, body: bytes, says: str) -> None:
    answer = client.post("/api/v1/sql", data=body, content_type="application/json", headers=HOST | TOKEN)
    assert answer.status_code == 400
    assert says in answer.json["error"]


@pytest.mark.parametrize(
    "change",
    [{"output": "nothing.children"}, {"output": []}, {"inputs": []}, {"inputs": {}}, {"inputs": [3]}, {"state": [{}]},
     {"inputs": [{"id": "other", "property": "data"}]}, {"outputs": {"id": "other", "property": "x"}},
     {"changedPropIds": 3}],
)  # fmt: skip
def test_a_payload_of_no_callback_is_refused_in_words(client: FlaskClient, change: dict[str, Any]) -> None:
    route = {"id": "shell-route", "property": "data", "value": {"path": "/", "search": ""}}
    good = {"output": "shell-page.children", "outputs": {"id": "shell-page", "property": "children"}, "inputs": [route],
            "changedPropIds": ["shell-route.data"], "state": []}  # fmt: skip
    assert client.post("/_dash-update-component", json=good, headers=HOST).status_code == 200
    answer = client.post("/_dash-update-component", json={**good, **change}, headers=HOST)
    assert answer.status_code == 400
    assert "no call of a page" in answer.json["error"]


def test_a_fault_of_ours_is_still_a_500_with_a_log_line(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    broken = create_app(Services(store))

    @broken.server.get("/api/v1/broken")
    def fault() -> str:
        raise RecursionError("our own")

    answer = broken.server.test_client().get("/api/v1/broken", headers=HOST)
    assert answer.status_code == 500
    assert answer.json["error"]
    assert "our own" in caplog.text
