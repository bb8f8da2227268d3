"""Requests no browser sends, over every route and callback of a real app; the same ones for the same seed."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from dash import Dash

from headscope.dashboard.link_state import QueryState
from headscope.dashboard.pages import load_pages

One = TypeVar("One")
HOST = {"Host": "127.0.0.1:8050"}
TOKEN = {"Authorization": "Bearer token"}
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
DEEP = b"[" * 100_000
RAW = (
    b"", b"{", b"\xff\xfe\x00", b'{"text": "\xed\xa0\x80"}', b'{"limit": NaN}', b'{"limit": -Infinity}', DEEP,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b'{"text": "\\ud800"}', b'{"a": 1, "a": 2}',
    '{"text": "é"}'.encode("utf-16"),
    b"\x00", b'"text"', b'{"limit": 1e999}', b"9" * 5_000, b"null", b"[]", b"{}", b"a=1&b=2",
    '{"ü": "é"}'.encode("latin-1"),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e300, 10**30, -(2**63) - 1, "", " ", "x" * 5_000, "\x00", "\ud800", "\u202e",
    "nan", "inf", "1e400", "☃🦊", "../../etc/passwd", "'; DROP TABLE runs; --", "%", "null", [], {}, [None], [[[[]]]],
    {"id": {}}, ["a", 1], {"a": {"b": [1]}},
    {"text": "Two women met.", "client": "c", "sequence": 1},
    "00000000-0000-0000-0000-000000000000", "not-a-uuid", 2**31, "9" * 5_000,
)  # fmt: skip
TEXTS = (
    "", "0", "-1", "1e300", "nan", "inf", "9" * 5_000, "x" * 3_000, "%FF", "%ED%A0%80", "%00", "%F0%9F%A6%8A", "%",
    "..",    "%2e%2e%2f", "true", "null", "[]", "a:b:c", "n_tokens:ge:1e300", "n_tokens:between:nan..2",
    "created_at:eq:9999-12-31",
    "created_at:between:0001-01-01..9999-12-31", "text:contains:%00", "seconds:lt:-1e308", "-created_at", "+", "&&==",
    "²",
)  # fmt: skip
SETTINGS = {
    "model": "tiny-gpt2", "text": "The doctor told her", "target": " and", "foil": " but", "experiment": "fuzz",
}  # fmt: skip
JOB = {
    "experiment": "fuzz", "model": "tiny-gpt2", "analyses": ["heads"], "batch_size": 4, "seed": 0, "params": {},
    "quantity": "logprob", "explain": "next",
    "generation": {"max_new_tokens": 0, "temperature": 0.0, "top_p": 1.0, "seed": 0},
    "prompt_set": {
        "name": "fuzz", "version": "1", "licence": "", "purpose": "", "sha256": "0", "source": "", "warnings": [],
        "prompts": [{"id": "a", "text": "The cat", "target": " sat", "tags": ["t"], "group": None}],
    },
}  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A request of Flask's test client, `of` a route, page or callback. `link` is what a page's address says, when the
    page must make sense of it."""

    of: str
    method: str
    path: str
    data: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    link: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path[:300]} {(self.data or b'')[:300]!r} {dict(self.headers)}"


def sources(app: Dash) -> set[str]:
    """Every route of the API, page and callback."""
    routes = {rule.rule for rule in app.server.url_map.iter_rules() if rule.rule.startswith("/api/")}
    return routes | {module.PAGE.path for module in load_pages()} | set(app.callback_map)


def requests(app: Dash, ids: Sequence[str], count: int, seed: int) -> Iterator[Sent]:
    """`count` requests; `ids` are runs and findings that are there. Every route, page and callback is met as often as
    its like: a few hundred requests meet them all."""
    rng = random.Random(seed)
    routes = [rule for rule in app.server.url_map.iter_rules() if rule.endpoint != "static"]
    rules = _in_turn(rng, routes)
    api = _in_turn(rng, [rule for rule in routes if rule.rule.startswith("/api/")])
    names = sorted(
        {name for state in _subclasses(QueryState) for name in state.__dataclass_fields__} | {"layer", "side"}
    )
    callbacks = _in_turn(rng, list(app.callback_map.items()))
    pages = _in_turn(rng, [module.PAGE.path for module in load_pages()])
    for _ in range(count):
        kind = rng.random()
        if kind < 0.45:
            yield _route(rng, next(api), ids, names)
        elif kind < 0.55:
            yield _route(rng, next(rules), ids, names)
        elif kind < 0.7:
            yield _page(rng, next(pages), ids, names)
        else:
            yield _callback(rng, *next(callbacks))


def _in_turn(rng: random.Random, all_of_them: Sequence[One]) -> Iterator[One]:
    return itertools.cycle(rng.sample(all_of_them, len(all_of_them)))


def _subclasses(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _route(rng: random.Random, rule: Any, ids: Sequence[str], names: Sequence[str]) -> Sent:
    def part(match: re.Match[str]) -> str:
        if rng.random() < 0.5:
            return rng.choice(ids)
        if (choices := re.match(r"any\(([^)]*)\)", match[1] or "")) and rng.random() < 0.8:
            return rng.choice(choices[1].split(",")).strip()
        return rng.choice(TEXTS) or "x"

    path = re.sub(r"<(?:([^:<>]+):)?(\w+)>", part, rule.rule)
    for kind in ("csv", "json", "parquet"):
        if rng.random() < 0.1:
            path = re.sub(r"\.[^./]+$", f".{kind}", path)
    known = sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"})
    method = rng.choice(known) if rng.random() < 0.8 else rng.choice(METHODS)
    body = _body(rng, rule.rule) if method in {"POST", "PUT", "PATCH", "DELETE"} else None
    headers = {**HOST, **(TOKEN if rng.random() < 0.9 else {}), **_odd_headers(rng)}
    kind_of_body = (
        "application/json" if rng.random() < 0.9 else rng.choice(["text/plain", "application/json; charset=x", ""])
    )
    return Sent(
        rule.rule, method, path + _query(rng, ids, names), body, kind_of_body if body is not None else None, headers
    )


def _odd_headers(rng: random.Random) -> dict[str, str]:
    if rng.random() < 0.95:
        return {}
    return rng.choice([
        {"Host": "["}, {"Host": ""}, {"Host": "a:b:c"}, {"Origin": "http://["}, {"Origin": "null"},
        {"If-None-Match": '"'},
        {"Authorization": "Bearer \xff"}, {"Authorization": "Bearer"}, {"Range": "bytes=5-1"}, {"Cookie": "=;=\xff"},
    ])  # fmt: skip


def _query(rng: random.Random, ids: Sequence[str], names: Sequence[str]) -> str:
    if rng.random() < 0.3:
        return ""
    pairs = [
        f"{rng.choice(names) if rng.random() < 0.9 else rng.choice(TEXTS)}="
        f"{rng.choice(ids) if rng.random() < 0.3 else rng.choice(TEXTS)}"
        for _ in range(rng.randint(1, 4))
    ]
    return "?" + "&".join(pairs)


def _body(rng: random.Random, path: str) -> bytes:
    if rng.random() < 0.25:
        return rng.choice(RAW)
    if path.endswith("/sql"):
        body: dict[str, Any] = {"statement": "SELECT * FROM v_runs", "limit": 10, "timeout": 5.0}
    elif path.endswith("/jobs"):
        body = JOB
    elif path.endswith("/triage"):
        body = {"run_id": "x", "detector": "y", "status": "open", "note": "", "tags": [], "who": "me"}
    elif "/interventions" in path:
        body = {**SETTINGS, "source": "The nurse told her", "interventions": ["head:0.1:zero", "mlp:1@2:scale:0.5"],
                "parts": False, "client": "c", "sequence": 1}  # fmt: skip
    else:
        body = {**SETTINGS, "target_position": None, "attributions": True, "client": "c", "sequence": 1}
    return _json(_mangled(rng, body))


def _mangled(rng: random.Random, value: Any) -> Any:
    """One thing in it changed, taken away or added."""
    if not value or not isinstance(value, dict | list) or rng.random() < 0.1:
        return rng.choice(VALUES)
    if isinstance(value, list):
        at = rng.randrange(len(value))
        return [*value[:at], _mangled(rng, value[at]), *value[at + 1 :]]
    name = rng.choice(list(value))
    how = rng.random()
    if how < 0.15:
        return {key: item for key, item in value.items() if key != name}
    if how < 0.25:
        return {**value, "surplus": rng.choice(VALUES)}
    return {**value, name: _mangled(rng, value[name]) if rng.random() < 0.6 else rng.choice(VALUES)}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _page(rng: random.Random, path: str, ids: Sequence[str], names: Sequence[str]) -> Sent:
    """A page's address typed by hand: half as the browser asks for it, half as the page is then built."""
    search = _query(rng, ids, names)
    if rng.random() < 0.2:
        return Sent(path, "GET", path + search, headers=HOST)
    route = {"id": "shell-route", "property": "data", "value": {"path": path, "search": search}}
    body = {"output": "shell-page.children", "outputs": {"id": "shell-page", "property": "children"}, "inputs": [route],
            "state": [], "changedPropIds": ["shell-route.data"]}  # fmt: skip
    return Sent(path, "POST", "/_dash-update-component", _json(body), "application/json", HOST, link=path + search)


def _callback(rng: random.Random, output: str, entry: Mapping[str, Any]) -> Sent:
    def given(wanted: Sequence[Mapping[str, Any]]) -> list[Any]:
        return [{"id": item["id"], "property": item["property"], "value": rng.choice(VALUES)} for item in wanted]

    names = output[2:-2].split("...") if output.startswith("..") else [output]
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=False)) for name in names]
    inputs = given(entry["inputs"])
    body: Any = {
        "output": output, "outputs": outputs if output.startswith("..") else outputs[0], "inputs": inputs,
        "state": given(entry["state"]), "changedPropIds": [f"{item['id']}.{item['property']}" for item in inputs[:1]],
    }  # fmt: skip
    how = rng.random()
    data = rng.choice(RAW) if how < 0.1 else _json(_mangled(rng, body) if how < 0.6 else body)
    query = rng.choice(["", "", f"?cancelJob={quote('1')}", "?oldJob=9&job=x"])
    return Sent(output, "POST", "/_dash-update-component" + query, data, "application/json", HOST)
