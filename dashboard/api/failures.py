"""Failures over HTTP: judgements in, suites and tables out.

POST /api/v1/failures/triage            {run_id, detector, status, note, tags, who}
GET  /api/v1/failures/why               what the case of run_id and detector rests on, beside a run that passed
GET  /api/v1/failures/suite.jsonl       the prompts of the Failures page's selection, as `headscope run --prompts` reads
                                        (with their texts: offensive ones are tagged, and the file's name says it)
GET  /api/v1/failures/failures.csv      the failures themselves; `covered_export` says what becomes of offensive texts
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from headscope.analysis.errors import InputError
from headscope.dashboard.api import covered_export, csv_export
from headscope.dashboard.pages.failures import why
from headscope.dashboard.pages.failures.query import FailuresQuery
from headscope.dashboard.plain_json import plain
from headscope.dashboard.request_body import json_object
from headscope.dashboard.services import Services
from headscope.storage.rows import FailureRow, Offence, Offences
from headscope.storage.rows.offensive import PROMPT

MOST_NOTE = 2_000
MOST_TAGS, LONGEST_TAG = 20, 60
OFFENSIVE = "offensive"


def register(server: Flask, services: Services) -> None:
    """Add the routes to a server."""
    routes = Blueprint("failures", __name__, url_prefix="/api/v1/failures")

    @routes.post("/triage")
    def triage() -> Response:
        if services.findings is None:
            raise InputError("this server shows stored results and writes nothing.")
        values = judgement(json_object())
        services.findings.triage(**values)
        return jsonify(values)

    @routes.get("/why")
    def why_failed() -> Response:
        asked = [request.args.get(name, "") for name in ("run_id", "detector")]
        answer = jsonify(plain(why.read(services.store, *asked)))
        answer.headers["Cache-Control"] = "no-store"  # what a viewer covers is the viewer's
        return answer

    @routes.get("/suite.jsonl")
    def suite() -> Response:
        rows = _rows(services)
        offends = services.store.offensive([row.run_id for row in rows])
        lines = (json.dumps(prompt, ensure_ascii=False) + "\n" for prompt in prompts(rows, offends))
        name = "suite-offensive.jsonl" if any(PROMPT in parts for parts in offends.values()) else "suite.jsonl"
        return csv_export.file(name, "".join(lines), "application/x-ndjson")

    @routes.get("/failures.csv")
    def table() -> Response:
        names, shown, found = [item.name for item in fields(FailureRow)], covered_export.shown(), _rows(services)
        offends = services.store.offensive([row.run_id for row in found])
        rows = (_line(row, offends.get(row.run_id, {}), names, shown) for row in found)
        return csv_export.file("failures.csv", csv_export.written([*names, covered_export.COLUMN], rows))

    server.register_blueprint(routes)


def judgement(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `FindingSink.triage` in a JSON body; who judges is this machine's user unless it says another.

    Raises InputError for what is missing or of the wrong type.
    """
    found: dict[str, Any] = {}
    for name in ("run_id", "detector", "status", "note", "who"):
        value = body.get(name) or ""
        if not isinstance(value, str):
            raise InputError(f"{name} must be text, not {type(value).__name__}.")
        found[name] = value
    for name in ("run_id", "detector", "status"):
        if not found[name]:
            raise InputError(f"a judgement needs {name}.")
    tags = _tags(body.get("tags") or [])
    if len(found["note"]) > MOST_NOTE:
        raise InputError(f"a note has at most {MOST_NOTE:,} characters.")
    return {**found, "tags": tags, "who": found["who"] or _user()}


def _tags(given: Any) -> list[str]:
    """Each once, without white space around it."""
    if not isinstance(given, list) or not all(isinstance(tag, str) for tag in given):
        raise InputError("tags must be a list of texts.")
    tags = list(dict.fromkeys(tag.strip() for tag in given if tag.strip()))
    if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        raise InputError(f"a failure has at most {MOST_TAGS} tags of at most {LONGEST_TAG} characters each.")
    return tags


def _line(row: FailureRow, why: Mapping[str, Offence], names: Sequence[str], shown: bool) -> list[Any]:
    written_row = row if shown else covered_export.cover(row, why)
    return [*(_cell(getattr(written_row, name)) for name in names), covered_export.told(why)]


def prompts(rows: list[FailureRow], why: Offences) -> Iterator[dict[str, Any]]:
    """One prompt per text, target and foil, tagged with what went wrong on it, and as offensive where it is."""
    found: dict[tuple[str, str | None, str | None], dict[str, Any]] = {}
    for row in rows:
        key = (row.text, row.target, row.foil)
        prompt = found.setdefault(key, {"text": row.text, "target": row.target, "foil": row.foil, "group": row.group,
                                        "pair_id": row.pair_id, "tags": list(row.tags)})  # fmt: skip
        offends = [OFFENSIVE] if PROMPT in why.get(row.run_id, {}) else []
        prompt["tags"] += [tag for tag in (row.detector, *offends) if tag not in prompt["tags"]]
    for prompt in found.values():
        yield {name: value for name, value in prompt.items() if value not in (None, [])}


def _rows(services: Services) -> list[FailureRow]:
    query = csv_export.asked(FailuresQuery, covered_export.rest_of_query())
    rows, _ = services.store.failures_page(query.which(), 0, services.settings.max_export_rows)
    return list(rows)


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else "" if value is None else value


def _user() -> str:
    try:
        return getpass.getuser()
    except OSError:  # no name for this user id, as in some containers
        return "local user"
