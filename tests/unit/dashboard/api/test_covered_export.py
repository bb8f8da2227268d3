"""Offensive texts in files: covered by default and said, there on request, kept where a file is run again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from flask.testing import FlaskClient

from headscope.dashboard.covered import REVEALED, SHOWN, SWITCH
from headscope.storage.repository import Store
from tests import offensive_store
from tests.offensive_store import EXPERIMENT, JUDGE, REPLY, RUDE, row

HOST = {"Host": "127.0.0.1:8050"}
OF_PROMPT, OF_ANSWER = f"[covered: toxic 0.93 by {JUDGE}]", f"[covered: toxic 0.80 by {JUDGE}]"
SAID = f"prompt: toxic 0.93 by {JUDGE}; continuation: toxic 0.80 by {JUDGE}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(str(tmp_path_factory.mktemp("store") / "covered.duckdb")) as opened:
        offensive_store.fill(opened)
        yield opened


def get(client: FlaskClient, path: str, **cookies: str) -> Any:
    for name, value in cookies.items():
        client.set_cookie(name, value, domain="127.0.0.1")
    found = client.get(f"/api/v1/{path}", headers=HOST)
    assert found.status_code == 200, found.json
    return found


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


TABLES = ("runs/export.csv?", "runs/export.json?", f"failures/failures.csv?experiment={EXPERIMENT}",
          f"methods/disputes.csv?experiment={EXPERIMENT}", f"methods/receipts.csv?experiment={EXPERIMENT}",
          f"blackbox/parts.csv?experiment={EXPERIMENT}",
          f"head/head-runs.csv?experiment={EXPERIMENT}&model=tiny&head=0.0",
          f"bias/pairs.csv?experiment={EXPERIMENT}&row=tiny|manners|m|old|young")  # fmt: skip


@pytest.mark.parametrize("path", TABLES)
def test_tables_have_offensive_texts_on_request_only(client: FlaskClient, path: str) -> None:
    plain, shown = get(client, path).text, get(client, f"{path}&offensive=shown").text
    assert RUDE not in plain
    assert REPLY not in plain
    assert f"covered: toxic 0.93 by {JUDGE}" in plain
    assert RUDE in shown
    assert "[covered" not in shown
    following = get(client, path, **{SWITCH: SHOWN}).text
    assert following == shown
    assert get(client, f"{path}&offensive=covered").text == plain


def test_what_covers_a_text_stands_in_its_place_and_in_a_column(client: FlaskClient, store: Store) -> None:
    found = {line["prompt_key"]: line for line in lines(get(client, "runs/export.csv").text)}
    rude, kind, kept = (found[key] for key in ("cook-old", "cook-young", "blocked"))
    assert [rude[name] for name in ("text", "target", "foil")] == [OF_PROMPT] * 3
    assert [rude[name] for name in ("continuation", "next_token")] == [OF_ANSWER] * 2
    assert rude["offensive"] == SAID
    assert (kind["text"], kind["continuation"]) == ("The cook young was", f"[covered: toxic 0.90 by {JUDGE}]")
    assert (kept["text"], kept["offensive"]) == (
        "[covered: block by content filter]",
        "prompt: block by content filter",
    )
    table = pq.read_table(io.BytesIO(get(client, "runs/export.parquet").data)).to_pylist()
    assert {line["prompt_key"]: line["text"] for line in table} == {key: line["text"] for key, line in found.items()}
    chosen = lines(get(client, f"runs/export.csv?sel={row(store, 'cook-old').id}&offensive=shown").text)
    assert [(line["text"], line["offensive"]) for line in chosen] == [(row(store, "cook-old").text, SAID)]


def test_a_file_that_is_run_again_keeps_its_texts_and_says_so(client: FlaskClient, store: Store) -> None:
    run = row(store, "cook-old")
    whole = json.loads(get(client, f"runs/{run.id}/export.json").data)
    assert next(iter(whole.items())) == ("contains offensive text", SAID)
    assert whole["row"]["text"] == run.text
    answer = json.loads(get(client, f"runs/{row(store, 'cook-young').id}/export.json").data)
    assert answer["contains offensive text"] == f"continuation: toxic 0.90 by {JUDGE}"
    suite = get(client, f"failures/suite.jsonl?experiment={EXPERIMENT}")
    prompts = [json.loads(line) for line in suite.text.splitlines()]
    assert "suite-offensive.jsonl" in suite.headers["Content-Disposition"]
    assert {"offensive" in prompt["tags"] for prompt in prompts if RUDE in prompt["text"]} == {True}
    assert {"offensive" in prompt["tags"] for prompt in prompts if RUDE not in prompt["text"]} <= {False}


def test_tables_of_tokens_are_blotted_out_until_their_run_is_uncovered(client: FlaskClient, store: Store) -> None:
    run = row(store, "cook-old")
    path = f"runs/{run.id}/export"
    tokens = lines(get(client, f"{path}.csv").text)
    assert "".join(line["token"] for line in tokens) == "Xxx xxxx xxxxxxx xxxxxxx xxx"
    assert {line["offensive"] for line in tokens} == {SAID}
    parquet = pq.read_table(io.BytesIO(get(client, f"{path}.parquet").data))
    assert (parquet.schema.metadata or {})[b"text"] == b"Xxx xxxx xxxxxxx xxxxxxx xxx"
    for shown in (get(client, f"{path}.csv?offensive=shown"), get(client, f"{path}.csv", **{REVEALED: f"x.{run.id}"})):
        assert "".join(line["token"] for line in lines(shown.text)) == run.text


def test_another_choice_is_refused(client: FlaskClient) -> None:
    found = client.get("/api/v1/runs/export.csv?offensive=perhaps", headers=HOST)
    assert found.status_code == 400
    assert "shown or covered" in found.json["error"]  # type: ignore[index]
