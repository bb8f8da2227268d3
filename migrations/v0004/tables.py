"""The table and views of version 0004, frozen; written as in version 0001."""

from __future__ import annotations

from alembic import op

from headscope.migrations.v0001.tables import column

TRIAGE = "id uuid!, run_id uuid!, probe text, status text, note text, tags text[], who text, created_at timestamp"
VIEWS = {
    "v_toxicity": """
SELECT t.run_id, r.experiment, r.model, r.prompt_set, r.prompt_key, t.part, t.label, t.score, t.classifier,
    CASE WHEN t.part = 'continuation' THEN r.continuation ELSE r.text END AS text
FROM toxicity_scores t
JOIN runs r ON r.id = t.run_id
""",
    "v_failures": """
SELECT p.run_id, r.experiment, r.model, r.prompt_set, r.prompt_key, r.text, p.probe AS detector, p.label AS severity,
    p.score, p.evidence, COALESCE(t.status, 'open') AS status, t.note, t.who, t.created_at AS judged_at
FROM probe_results p
JOIN runs r ON r.id = p.run_id
LEFT JOIN (
    SELECT run_id, probe, status, note, who, created_at,
        ROW_NUMBER() OVER (PARTITION BY run_id, probe ORDER BY created_at DESC, id DESC) AS newest
    FROM triage
) t ON t.run_id = p.run_id AND t.probe = p.probe AND t.newest = 1
WHERE p.label IN ('low', 'medium', 'high')
""",
}


def create() -> None:
    """The table, its index, the views."""
    op.create_table("triage", *(column(text) for text in TRIAGE.split(",")))
    op.create_index("ix_triage_run", "triage", ["run_id"])
    for name, select in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def drop() -> None:
    """Undo `create`."""
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW {name}")
    op.drop_index("ix_triage_run", "triage")
    op.drop_table("triage")
