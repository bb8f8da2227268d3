"""Work and token go to the server of the store only: whoever else answers at the address gets a random number."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from headscope.analysis.errors import HeadscopeError, StorageError
from headscope.analysis.types import Prompt, PromptSet
from headscope.cli import handover
from headscope.dashboard.app import create_app
from headscope.dashboard.services import Services
from headscope.dashboard.settings import Settings
from headscope.jobs.request import JobRequest
from headscope.storage import owner, served
from headscope.storage.repository import Store

SECRET = "a prompt that nobody else may see"
REQUEST = JobRequest("e", "m", PromptSet("s", "1", "", "", "x", (Prompt("a", SECRET),)), ("heads",))


@contextmanager
def serving(app: Callable[[str], Any]) -> Iterator[str]:
    """`app` is given the address it will be served at."""
    server = make_server("127.0.0.1", 0, Response("not yet"), threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    server.app = app(url)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Stranger:
    """Answers everything with `reply` and keeps what it was sent."""

    def __init__(self, reply: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.reply, self.status, self.headers, self.heard = reply, status, headers, list[str]()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        self.heard.append(f"{request.method} {request.full_path}\n{request.headers}\n{request.get_data(as_text=True)}")
        return Response(self.reply, self.status, self.headers)(environ, start_response)


@pytest.mark.parametrize(
    ("reply", "status"),
    [("", 404), ("{}", 200), ("[]", 200), ("null", 200), ('{"proof": "00"}', 200), ('{"proof": null}', 200),
     ('{"proof": "ü"}', 200), ('{"job_id": "x"}', 200)],
)  # fmt: skip
def test_a_stranger_gets_neither_prompts_nor_token(tmp_path: Path, reply: str, status: int) -> None:
    stranger, store = Stranger(reply, status), tmp_path / "runs.duckdb"
    with serving(lambda url: stranger) as url, owner.claim(store, "headscope serve", url) as note:
        with pytest.raises(StorageError, match="not the store's server"):
            handover.run(str(store), REQUEST, lambda *_: None, lambda: False)
        (only,) = stranger.heard
    assert only.startswith("GET /api/v1/owner?nonce=")
    for kept in (note.token, SECRET, "Authorization"):
        assert kept not in only


def test_a_stranger_cannot_send_us_elsewhere(tmp_path: Path) -> None:
    other = Stranger("{}")
    with serving(lambda url: other) as target:
        stranger, store = Stranger("", 307, {"Location": f"{target}/api/v1/owner"}), tmp_path / "runs.duckdb"
        with (
            serving(lambda url: stranger) as url,
            owner.claim(store, "headscope serve", url),
            pytest.raises(StorageError),
        ):
            served.server_of(str(store))
    assert other.heard == []


def test_nobody_at_the_address_is_said(tmp_path: Path) -> None:
    with serving(lambda url: Stranger("")) as url:
        pass
    store = tmp_path / "runs.duckdb"
    with owner.claim(store, "headscope serve", url), pytest.raises(StorageError, match="does not answer"):
        served.server_of(str(store))


def app_of(store: Store, token: str) -> Callable[[str], Any]:
    return lambda url: (
        create_app(Services(store, settings=Settings(port=int(url.rpartition(":")[2]), api_token=token))).server
    )


def test_the_stores_own_server_proves_itself_and_is_given_the_token(tmp_path: Path) -> None:
    path = tmp_path / "runs.duckdb"
    (tmp_path / "way").symlink_to(tmp_path)
    note: list[owner.Owner] = []

    def app(url: str) -> Any:
        note.append(owner.Owner(0, 0.0, "", url, "k" * 40))
        return app_of(store, "k" * 40)(url)

    with Store.open(str(path)) as store, serving(app) as url:
        for spelled in (path, tmp_path / "way" / "runs.duckdb"):
            server = served.Server(note[0], spelled)
            assert server.call("POST", "/api/v1/sql", {"statement": "SELECT 1"}).status_code == 200
        with pytest.raises(HeadscopeError, match="answered"):
            server.call("GET", "/api/v1/nothing")
        for wrong in (owner.Owner(0, 0.0, "", url, "other"), owner.Owner(0, 0.0, "", url, "")):
            with pytest.raises(owner.NotBelieved):
                served.Server(wrong, path)
        with pytest.raises(owner.NotBelieved):
            served.Server(note[0], tmp_path / "another.duckdb")


def test_a_question_passed_on_to_the_true_server_is_no_proof(tmp_path: Path) -> None:
    """Somebody at another address asks the true server what we asked, and hands its answer on."""
    path, token = tmp_path / "runs.duckdb", "k" * 40
    with Store.open(str(path)) as store, serving(app_of(store, token)) as true_url:

        def passing_on(environ: Any, start_response: Any) -> Any:
            import requests

            answer = requests.get(f"{true_url}{Request(environ).full_path}", timeout=60)
            return Response(answer.content, answer.status_code)(environ, start_response)

        with serving(lambda url: passing_on) as url, pytest.raises(owner.NotBelieved):
            served.Server(owner.Owner(0, 0.0, "", url, token), path)


def test_a_question_must_be_long_enough_to_be_new(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "runs.duckdb")) as store:
        client = create_app(Services(store, settings=Settings(api_token="k" * 40))).server.test_client()
        headers = {"Host": "127.0.0.1"}
        assert client.get("/api/v1/owner?nonce=1", headers=headers).status_code == 400
        assert set(client.get(f"/api/v1/owner?nonce={'n' * 43}", headers=headers).get_json()) == {"proof"}
        without = create_app(Services(store)).server.test_client()
        assert without.get(f"/api/v1/owner?nonce={'n' * 43}", headers=headers).status_code == 404
