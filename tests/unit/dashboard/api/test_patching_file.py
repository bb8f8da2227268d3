"""map.csv of the Why page: the numbers of the patched runs, computed once, and what is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from flask.testing import FlaskClient

from headscope.analysis.running.patching import analyse_patch
from headscope.analysis.running.tensor_cache import TensorCache
from headscope.analysis.types.patching import PatchRequest, PatchResult
from headscope.dashboard import links
from headscope.dashboard.app import create_app
from headscope.dashboard.line import Busy
from headscope.dashboard.pages.patching.query import PatchingQuery
from headscope.dashboard.services import ModelListing, Services
from headscope.storage.repository import Store

if TYPE_CHECKING:
    from headscope.analysis.backends.hf_causal import HFCausalBackend

HOST = {"Host": "127.0.0.1:8050"}
CLEAN, CORRUPTED = "One two three four five", "One six three four five"
QUERY = PatchingQuery(clean=CLEAN, corrupted=CORRUPTED, target=" a", foil=" the", component="mlp", layer=1, position=1)


class Engine:
    """A real model behind a cache, as the server's engine has one."""

    def __init__(self, backend: HFCausalBackend, folder: Path) -> None:
        self.backend, self.folder, self.asked = backend, folder, list[PatchRequest]()
        self.busy = False

    def models(self) -> list[ModelListing]:
        return [ModelListing("tiny", "folder")]

    def patch(self, request: PatchRequest) -> PatchResult:
        if self.busy:
            raise Busy("too many are waiting.")
        self.asked.append(request)
        return analyse_patch(self.backend, request, TensorCache(self.folder, 1 << 20))


@pytest.fixture
def engine(tiny_gpt2: HFCausalBackend, tmp_path: Path) -> Engine:
    return Engine(tiny_gpt2, tmp_path / "cache")


@pytest.fixture
def client(engine: Engine, tmp_path: Path) -> Iterator[FlaskClient]:
    with Store.open(str(tmp_path / "empty.duckdb")) as store:
        yield create_app(Services(store, engine)).server.test_client()  # type: ignore[arg-type]


def test_map_csv_has_every_cell_of_the_map_without_computing_it_again(
    engine: Engine, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = engine.patch(QUERY.request("tiny"))
    monkeypatch.setattr("headscope.analysis.running.patching._Pair.patched", lambda _: pytest.fail("computed again"))
    answer = client.get(links.patching_file("map.csv", QUERY), headers=HOST)
    assert answer.status_code == 200, answer.text
    assert engine.asked[1] == PatchRequest("tiny", CLEAN, CORRUPTED, " a", " the", "mlp")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    layers, positions = whole.patched.shape
    assert [(int(row["layer"]), int(row["position"])) for row in rows] == list(np.ndindex(layers, positions))
    patched = np.array([float(row["patched_nats"]) for row in rows]).reshape(layers, positions)
    np.testing.assert_allclose(patched, whole.patched, rtol=1e-6)
    gap = whole.clean_value - whole.corrupted_value
    recovery = np.array([float(row["recovery"]) for row in rows]).reshape(layers, positions)
    np.testing.assert_allclose(recovery, (patched - whole.corrupted_value) / gap, rtol=1e-3, atol=1e-4)
    tokens = [(row["clean_token"], row["corrupted_token"], row["differs"]) for row in rows[:positions]]
    assert tokens == [(a, b, str(a != b)) for a, b in zip(whole.clean.texts, whole.corrupted.texts, strict=True)]
    assert {(row["component"], row["target"], row["foil"]) for row in rows} == {("mlp", " a", " the")}
    assert "Patched: MLP update" in rows[0]["method"]


def test_what_has_no_recovery_is_empty(engine: Engine, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = engine.patch(QUERY.request("tiny"))
    alike = replace(whole, recovery=np.full_like(whole.recovery, np.nan))
    monkeypatch.setattr(engine, "patch", lambda request: alike)
    answer = client.get(links.patching_file("map.csv", QUERY), headers=HOST)
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert len(rows) == whole.patched.size
    assert {row["recovery"] for row in rows} == {""}
    assert "" not in {row["patched_nats"] for row in rows}


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("", "needs two prompts"),
        (PatchingQuery(clean=CLEAN).to_query(), "needs two prompts"),
        (PatchingQuery(clean=CLEAN, corrupted=CORRUPTED + " and more").to_query(), "the corrupted one"),
        (f"{QUERY.to_query()}&component=head", "nothing was exported"),
    ],
)
def test_what_gives_no_map_is_refused(client: FlaskClient, search: str, said: str) -> None:
    answer = client.get(f"/api/v1/patching/map.csv{search}", headers=HOST)
    assert (answer.status_code, said in answer.json["error"]) == (400, True), answer.text


def test_a_busy_engine_and_a_server_without_one_say_so(engine: Engine, client: FlaskClient, tmp_path: Path) -> None:
    engine.busy = True
    assert client.get(links.patching_file("map.csv", QUERY), headers=HOST).status_code == 503
    with Store.open(str(tmp_path / "still.duckdb")) as store:
        answer = (
            create_app(Services(store)).server.test_client().get(links.patching_file("map.csv", QUERY), headers=HOST)
        )
    assert (answer.status_code, "headscope serve" in answer.json["error"]) == (400, True)
