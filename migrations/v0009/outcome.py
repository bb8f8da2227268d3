"""The column `outcome` of version 0009 and how it is filled from `params` and put back, frozen.

Versions before kept both in `params`, by keys of each method.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from headscope.migrations.v0001.tables import TYPES, column

ROWS = 20_000
SAME = ("converged", "value_change", "not_explained")
ERRORS = {
    "disagreement": ("a coarser quadrature gives scores that differ by up to", "more steps (max_steps)"),
    "standard_error": ("other draws move single scores by about", "more samples (samples)"),
}
"""Key -> what the error is, and what helps."""
TERMS = {
    "leak": "softmax leak",
    "embedding_term": "token embedding",
    "position_term": "position embeddings",
    "bias_term": "biases",
}
COALITIONS = "shapley_exact"  # counted as `evaluations`, paths as `steps`
BASELINE, GENERATED = "baseline used", "generated tokens"
REPEATED = "explains"  # always `logit`, which `quantity` says
ATTRIBUTIONS = sa.table(
    "attributions",
    *(sa.column(name, TYPES[kind]) for name, kind in {
        "run_id": "uuid", "ordinal": "integer", "method": "text", "params": "json", "outcome": "json"}.items()),
)  # fmt: skip
WRITE = """
UPDATE attributions SET params = CAST(given.params AS {json}), outcome = CAST(given.outcome AS {json})
FROM (SELECT unnest(CAST(:ids AS uuid[])) AS run_id, unnest(CAST(:ordinals AS integer[])) AS ordinal,
    unnest(CAST(:params AS text[])) AS params, unnest(CAST(:outcomes AS text[])) AS outcome) given
WHERE attributions.run_id = given.run_id AND attributions.ordinal = given.ordinal
"""
Said = dict[str, Any]


def add() -> None:
    """The column, with what `params` of the rows that are there say of it."""
    op.add_column("attributions", column("outcome json?"))
    _rewrite(lambda method, params, outcome: apart(params))


def remove() -> None:
    """Undo `add`."""
    _rewrite(together)
    op.drop_column("attributions", "outcome")


def apart(before: Mapping[str, Any]) -> tuple[Said, Said | None]:
    """Params of version 0008 as params and outcome; None for an outcome that says nothing."""
    params = dict(before)
    params.pop(REPEATED, None)
    outcome: Said = {name: params.pop(name) for name in SAME if name in params}
    for name in ("steps", "evaluations"):
        if name in params:
            outcome["steps"] = params.pop(name)
    for name, (label, remedy) in ERRORS.items():
        if name in params:
            outcome |= {"error": params.pop(name), "error_label": label, "remedy": remedy}
    terms = {label: params.pop(name) for name, label in TERMS.items() if name in params}
    facts: Said = {}
    if (missing := params.pop("baseline_missing", None)) is not None:
        facts[BASELINE] = f"{params['baseline']}: {missing}"
        params["baseline"] = _asked(missing) or params["baseline"]
    if "n_targets" in params:
        facts[GENERATED] = params.pop("n_targets")
    outcome |= {name: said for name, said in (("terms", terms), ("facts", facts)) if said}
    return params, outcome or None


def _asked(missing: str) -> str | None:
    found = re.search(r"has no (\w+) token", missing)
    return found[1] if found else None


def together(method: str, params: Mapping[str, Any], outcome: Mapping[str, Any] | None) -> tuple[Said, None]:
    """The inverse of `apart`; facts that version 0008 did not know are kept under their labels."""
    if not outcome:
        return dict(params), None
    before: Said = {**params, **{name: outcome[name] for name in SAME if name in outcome}}
    if "steps" in outcome:
        before["evaluations" if method == COALITIONS else "steps"] = outcome["steps"]
    for name, (label, _) in ERRORS.items():
        if outcome.get("error_label") == label:
            before[name] = outcome.get("error")
    terms, facts = outcome.get("terms", {}), dict(outcome.get("facts", {}))
    before |= {name: terms[label] for name, label in TERMS.items() if label in terms}
    if terms:
        before[REPEATED] = "logit"
    if BASELINE in facts:
        before["baseline"], before["baseline_missing"] = facts.pop(BASELINE).split(": ", 1)
    if GENERATED in facts:
        before["n_targets"] = facts.pop(GENERATED)
    return before | facts, None


def _rewrite(said: Callable[[str, Said, Said | None], tuple[Said, Said | None]]) -> None:
    """Write what `said` makes of each row's method, params and outcome, a batch of rows at a time."""
    connection, table = op.get_bind(), ATTRIBUTIONS.c
    write = sa.text(WRITE.format(json="JSONB" if connection.dialect.name == "postgresql" else "JSON"))
    query = sa.select(ATTRIBUTIONS).order_by(table.run_id, table.ordinal).limit(ROWS)
    rows = connection.execute(query).all()
    while rows:
        changed = [(row, *made) for row in rows
                   if (made := said(row.method, row.params, row.outcome)) != (row.params, row.outcome)]  # fmt: skip
        if changed:
            given = {
                "ids": [str(row.run_id) for row, *_ in changed],
                "ordinals": [row.ordinal for row, *_ in changed],
                "params": [json.dumps(params) for _, params, _ in changed],
                "outcomes": [None if outcome is None else json.dumps(outcome) for *_, outcome in changed],
            }
            connection.execute(write, given)
        last = sa.tuple_(rows[-1].run_id, rows[-1].ordinal)
        rows = connection.execute(query.where(sa.tuple_(table.run_id, table.ordinal) > last)).all()
