"""Checking a model here, or by the server that owns the store; and what its last check found."""

from __future__ import annotations

import math
from contextlib import closing

from rich.table import Table

from headscope.analysis.engines.here import inline_engine
from headscope.analysis.errors import HeadscopeError
from headscope.analysis.models import fingerprints, sources
from headscope.analysis.types import ModelRef
from headscope.analysis.types.certificate import FAILED, NOT_APPLICABLE, Certificate
from headscope.cli.terminal import Console
from headscope.jobs import certificates
from headscope.storage import private, session
from headscope.storage.notebook import Notebook
from headscope.storage.repository import Store
from headscope.storage.served import server_of

SECONDS = 3600
"""A server's batch at work comes first."""
STYLES = {FAILED: "red", NOT_APPLICABLE: "dim"}
LAST = """
SELECT dtype, device, checked_at, SUM(CASE WHEN status = 'passed' THEN 1 ELSE 0 END) AS passed,
    SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS failed
FROM v_model_checks WHERE newest AND kind = 'check' AND weights_sha256 = :weights
GROUP BY dtype, device, checked_at ORDER BY checked_at DESC
"""


def check(url: str, name: str, dtype: str, device: str) -> Certificate:
    """All checks of a model, kept in the store."""
    if (server := server_of(url)) is not None:
        body = {"model": name, "dtype": dtype, "device": device}
        return certificates.from_json(server.call("POST", "/api/v1/models/check", body, SECONDS).json())
    sources.resolve(name)  # a name that is none leaves no store behind
    private.keep_to_this_user()
    with Store.open(url) as store, closing(inline_engine()) as engine:
        return certificates.whole_check(engine, store, ModelRef(name, dtype=dtype), device)


def print_certificate(console: Console, found: Certificate) -> None:
    """Every check with its figures, and what does not apply to this model."""
    table = Table(box=None, pad_edge=False)
    for heading in ("check", "result", "error", "tolerance", "what"):
        table.add_column(heading, justify="right" if heading in ("error", "tolerance") else "left", overflow="fold")
    for row in found.checks:
        figures = ("" if math.isnan(value) else f"{value:.1e}" for value in (row.error, row.tolerance))
        table.add_row(row.name, row.status, *figures, row.sentence, style=STYLES.get(row.status, ""))
    console.print(table)
    missing = [row for row in found.analyses if row.status == NOT_APPLICABLE]
    told = f"{len(found.analyses) - len(missing)} of {len(found.analyses)} analyses apply to it"
    console.print(f"\n{found.model}: {found.summary()} in {found.seconds:.1f} s; {told}.", soft_wrap=True)
    for row in missing:
        console.print(f"  {row.name}: {row.sentence}", soft_wrap=True)


def last(url: str, name: str) -> str:
    """What the newest checks in this store found, in words."""
    try:
        weights = fingerprints.weights_sha256(sources.resolve(name).path)
        with Notebook(url, frame="arrow") as store:
            rows = store.sql(LAST, {"weights": weights}).to_pylist()
    except HeadscopeError:  # no model here, or no store: nothing was checked
        rows = []
    told = [
        f"{row['passed']:g} of {row['passed'] + row['failed']:g} checks passed "
        f"({row['dtype']} on {row['device']}, {row['checked_at']:%Y-%m-%d %H:%M})"
        for row in rows
    ]
    return "; ".join(told) or f"never in {session.shown(url)}: headscope models check {name}"
