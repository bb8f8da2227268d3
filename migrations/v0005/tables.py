"""The columns and view of version 0005, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column

ADDED = "host text?, pid integer?, process_started double?, updated_at timestamp?"
NOW = {
    "postgresql": "CAST(clock_timestamp() AT TIME ZONE 'UTC' AS TIMESTAMP)",
    "duckdb": "make_timestamp(epoch_us(now()))",
}
JOBS = """
SELECT id, CASE WHEN status IN ('queued', 'running')
        AND (pid IS NULL OR updated_at IS NULL OR updated_at < {now} - INTERVAL '120 seconds')
    THEN 'interrupted' ELSE status END AS status,
    experiment_id, experiment, model, total, done, failed, cached, created_at, updated_at, finished_at, host, pid,
    error, spec
FROM jobs
"""


def create() -> None:
    """Columns that are NULL in the jobs that are there, and the view."""
    for text in ADDED.split(","):
        op.add_column("jobs", column(text))
    op.execute(f"CREATE VIEW v_jobs AS {JOBS.format(now=NOW[op.get_bind().dialect.name])}")


def drop() -> None:
    """Undo `create`."""
    op.execute("DROP VIEW v_jobs")
    for text in reversed(ADDED.split(",")):
        op.drop_column("jobs", text.split()[0])
