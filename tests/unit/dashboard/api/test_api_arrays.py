"""Arrays and exports over HTTP, from a real store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from flask.testing import FlaskClient
from safetensors.numpy import load
from werkzeug.test import TestResponse

from headscope.dashboard.app import create_app
from headscope.dashboard.services import Services
from headscope.storage.repository import Store
from tests.run_samples import HEADS, INFO, LAYERS, SHARES, TEXT, TOKENS, T, attention, full, prompt_set

HOST = {"Host": "127.0.0.1:8050"}


@pytest.fixture(scope="module")
def client(samples: Store) -> FlaskClient:
    return create_app(Services(samples)).server.test_client()


def get(client: FlaskClient, run_id: str, path: str, **headers: str) -> TestResponse:
    return client.get(f"/api/v1/runs/{run_id}/{path}", headers={**HOST, **headers})


def test_one_layer_and_all_layers_are_the_square_roots_of_the_stored_weights(
    client: FlaskClient, ids: tuple[str, ...]
) -> None:
    expected = np.rint(255 * np.sqrt(attention().astype(np.float64)))
    whole = load(get(client, ids[0], "attention.safetensors").data)["attention"]
    assert whole.shape == (LAYERS, HEADS, T, T)
    assert whole.dtype == np.uint8
    np.testing.assert_allclose(whole, expected, atol=1)
    for layer in range(LAYERS):
        part = load(get(client, ids[0], f"attention.safetensors?layer={layer}").data)["attention"]
        np.testing.assert_array_equal(part, whole[layer])


def test_exact_values_are_the_stored_half_floats(client: FlaskClient, ids: tuple[str, ...]) -> None:
    stored = attention()
    head = get(client, ids[0], "attention/value?layer=1&head=2").json
    np.testing.assert_array_equal(np.array(head["weights"]), stored[1, 2].astype(float))
    row = get(client, ids[0], "attention/value?layer=1&head=2&query=5").json
    assert row["weights"] == stored[1, 2, 5].astype(float).tolist()
    cell = get(client, ids[0], "attention/value?layer=1&head=2&query=5&key=3").json
    assert cell["weight"] == float(stored[1, 2, 5, 3])
    everywhere = get(client, ids[0], "attention/value?query=5&key=3").json
    np.testing.assert_array_equal(np.array(everywhere["weights"]), stored[:, :, 5, 3].astype(float))


def test_thumbnail_holds_every_heads_maximum(client: FlaskClient, ids: tuple[str, ...]) -> None:
    whole = load(get(client, ids[0], "attention.safetensors").data)["attention"]
    small = load(get(client, ids[0], "attention/thumbnail.safetensors?side=3").data)["thumbnail"]
    assert small.shape == (LAYERS, HEADS, 3, 3)
    np.testing.assert_array_equal(small.max(axis=(2, 3)), whole.max(axis=(2, 3)))
    same = load(get(client, ids[0], "attention/thumbnail.safetensors").data)["thumbnail"]
    np.testing.assert_array_equal(same, whole)


def test_a_browser_that_has_it_gets_304_and_each_variant_has_its_own_tag(
    client: FlaskClient, ids: tuple[str, ...]
) -> None:
    first = get(client, ids[0], "attention.safetensors?layer=0")
    again = get(client, ids[0], "attention.safetensors?layer=0", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    packed = get(client, ids[0], "attention.safetensors", **{"Accept-Encoding": "br"})
    assert packed.headers["ETag"].endswith(':br"')
    again = get(client, ids[0], "attention.safetensors", **{"If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = get(client, ids[0], "attention.safetensors?layer=1", **{"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200
    assert "private" in first.headers["Cache-Control"]


@pytest.mark.parametrize("path", [".safetensors", "/thumbnail.safetensors", "/value?layer=0"])
def test_a_run_without_attention_is_404_with_what_to_do(client: FlaskClient, ids: tuple[str, ...], path: str) -> None:
    response = get(client, ids[1], f"attention{path}")
    assert response.status_code == 404
    assert "--analyses attention" in response.json["error"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("attention.safetensors?layer=2", "between 0 and 1"),
        ("attention.safetensors?layer=-1", "between 0 and 1"),
        ("attention.safetensors?layer=x", "whole number"),
        ("attention/value?layer=0", "head must be"),
        ("attention/value?layer=0&head=0&query=8", "between 0 and 7"),
        ("attention/value?layer=0&head=0&query=1&key=99", "between 0 and 7"),
        ("attention/thumbnail.safetensors?side=4000", "between 0 and 128"),
    ],
)
def test_indexes_outside_the_tensor_are_refused_in_words(
    client: FlaskClient, ids: tuple[str, ...], path: str, said: str
) -> None:
    response = get(client, ids[0], path)
    assert response.status_code == 400
    assert said in response.json["error"]


def test_unknown_runs_are_404(client: FlaskClient) -> None:
    for path in ("attention.safetensors", "export.json"):
        assert get(client, "nothing", path).status_code == 404


def test_a_damaged_artifact_is_503_and_never_numbers(samples: Store, ids: tuple[str, ...], tmp_path: Path) -> None:
    url = str(tmp_path / "damaged.duckdb")
    with Store.open(url) as damaged:
        job = damaged.start_job(experiment="x", model=INFO.ref.name, spec={}, total=1)
        (run_id,) = damaged.save(job, INFO, prompt_set(full()), ("attention",), 0, (full(),)).run_ids
        files = [path for path in tmp_path.rglob("*") if path.is_file() and "duckdb" not in path.suffix]
        assert files
        for path in files:
            path.write_bytes(b"x" + path.read_bytes()[1:])
        response = get(create_app(Services(damaged)).server.test_client(), run_id, "attention.safetensors")
    assert response.status_code == 503


def test_json_export_has_everything_and_null_for_unmeasured(client: FlaskClient, ids: tuple[str, ...]) -> None:
    response = get(client, ids[0], "export.json")
    assert f"headscope-run-{ids[0]}.json" in response.headers["Content-Disposition"]
    data = json.loads(response.data)
    assert data["row"]["text"] == TEXT
    assert data["trace"]["logprobs"][0] is None
    assert data["trace"]["tokens"]["texts"] == list(TOKENS)
    assert data["attributions"][1]["scores"] == SHARES
    assert data["heads"]["induction"] == [[None] * HEADS] * LAYERS
    assert json.loads(get(client, ids[2], "export.json").data)["row"]["error_kind"] == "empty"


def test_csv_and_parquet_exports_hold_the_same_token_table(client: FlaskClient, ids: tuple[str, ...]) -> None:
    parquet = pyarrow.parquet.read_table(io.BytesIO(get(client, ids[0], "export.parquet").data))
    rows = parquet.to_pylist()
    assert [row["token"] for row in rows] == list(TOKENS)
    assert rows[0]["surprisal_bits"] is None
    assert rows[5]["surprisal_bits"] == pytest.approx(5, rel=1e-6)
    assert [row["input_x_gradient"] for row in rows] == SHARES
    assert rows[0]["integrated_gradients"] is None
    assert "lrp" not in parquet.column_names
    assert parquet.schema.metadata[b"text"].decode() == TEXT
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    csv = pyarrow.csv.read_csv(io.BytesIO(get(client, ids[0], "export.csv").data), parse_options=options)
    assert csv.column_names == parquet.column_names
    assert csv["logprob_nats"].to_pylist() == parquet["logprob_nats"].to_pylist()


def test_a_failed_run_has_no_token_table_and_says_so(client: FlaskClient, ids: tuple[str, ...]) -> None:
    response = get(client, ids[2], "export.csv")
    assert response.status_code == 400
    assert "no tokens to export" in response.json["error"]
