"""`headscope jobs`: what was asked for, how far it is, and what can be gone on with."""

from __future__ import annotations

from typing import Annotated

import typer

from headscope.cli.options import DEFAULT_STORE, StoreOption
from headscope.cli.store import Format, query, show
from headscope.storage import repository, served

JOBS = """
SELECT id, experiment, model, status, done, total, failed, created_at AS started,
    COALESCE(finished_at, CASE WHEN status = 'interrupted' THEN updated_at END) AS ended,
    REPLACE(error, CHR(10), ' ') AS error
FROM v_jobs ORDER BY id DESC
"""


def jobs(
    store: StoreOption = DEFAULT_STORE,
    format: Annotated[Format, typer.Option(help="How to print the jobs.")] = Format.TABLE,  # noqa: A002 - the flag
    limit: Annotated[int, typer.Option(min=1, help="Most jobs to list, the newest.")] = 50,
) -> None:
    """List jobs, newest first. One whose process is gone is `interrupted`; `headscope run --resume JOB` goes on."""
    if served.server_of(store) is None:
        repository.Store.open(store, create=False).close()  # whose process is gone is seen when a store is opened
    show(*query(store, JOBS, limit), format, limit)
