"""The views of version 0014, frozen; written as in version 0001.

Pairs are those of `headscope.analysis.statistics.counterfactual`. Every window is partitioned by the experiment first,
so that a condition on it reaches the runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from alembic import op

NAMES = ("v_bias", "v_bias_effects")
MEASURES = {
    "margin": "CAST(margin AS DOUBLE PRECISION)",
    "loglik": "CAST(-mean_surprisal * (n_tokens - 1) AS DOUBLE PRECISION)",
}
NOT_KINDS = ("template:", "context:")
REALS = ("low", "high", "p", "adjusted_p", "size", "size_low", "size_high", "positive", "positive_low", "positive_high")
COUNTS = ("n_pairs", "above", "ties", "wordings", "fillers", "runs", "of_runs")


@dataclass(frozen=True, slots=True)
class _Words:
    """How one database says it: the order of Python's texts, the tags that name a kind, the name of the wording."""

    by_code: str
    kinds: str
    wording: str


def _words(dialect: str) -> _Words:
    if dialect == "postgresql":
        elements = "unnest(first_tags) WITH ORDINALITY AS u(tag, n)"
        kind = " AND ".join(f"NOT starts_with(tag, '{start}')" for start in NOT_KINDS)
        name = f"SELECT substr(tag, 10) FROM {elements} WHERE starts_with(tag, 'template:') ORDER BY n LIMIT 1"
        return _Words(' COLLATE "C"', f"ARRAY(SELECT tag FROM {elements} WHERE {kind} ORDER BY n)", f"({name})")
    kind = " AND ".join(f"NOT starts_with(tag, '{start}')" for start in NOT_KINDS)
    named = "[tag FOR tag IN first_tags IF starts_with(tag, 'template:')]"
    return _Words("", f"[tag FOR tag IN first_tags IF {kind}]", f"substr({named}[1], 10)")


def definitions(dialect: str) -> dict[str, str]:
    """View name -> SELECT."""
    words = _words(dialect)
    pair = "experiment, model, prompt_set, pair_id, measure"
    by_group = f"(PARTITION BY {pair} ORDER BY group_name{words.by_code})"
    measured = " UNION ALL ".join(
        "SELECT id, experiment_id, experiment, model, prompt_set, pair_id, group_name, tags, "
        f"'{name}' AS measure, {value} AS value FROM runs "
        "WHERE status = 'succeeded' AND pair_id IS NOT NULL AND group_name IS NOT NULL"
        for name, value in MEASURES.items()
    )
    newest = (
        f"SELECT m.*, ROW_NUMBER() OVER (PARTITION BY {pair}, group_name ORDER BY id DESC) AS newest "
        f"FROM ({measured}) m WHERE value > CAST('-Infinity' AS DOUBLE PRECISION) "
        "AND value < CAST('Infinity' AS DOUBLE PRECISION)"  # NaN is above that on both
    )
    grouped = (
        f"SELECT n.*, COUNT(*) OVER (PARTITION BY {pair}) AS n_groups, SUM(value) OVER (PARTITION BY {pair}) AS total, "
        f"ROW_NUMBER() OVER {by_group} AS place, FIRST_VALUE(tags) OVER {by_group} AS first_tags, "
        f"LEAD(id) OVER {by_group} AS next_id, LEAD(value) OVER {by_group} AS next_value, "
        f"LEAD(group_name) OVER {by_group} AS next_group FROM ({newest}) n WHERE newest = 1"
    )
    of_two = "CASE WHEN n_groups = 2 THEN"
    compared = (
        f"SELECT g.*, {of_two} next_group ELSE 'all others' END AS group_b, {of_two} next_id END AS run_id_b, "
        f"{of_two} next_value ELSE (total - value) / (n_groups - 1) END AS value_b "
        f"FROM ({grouped}) g WHERE n_groups > 2 OR (n_groups = 2 AND place = 1)"
    )
    return {
        "v_bias": f"SELECT experiment_id, experiment, model, prompt_set, pair_id, measure, {words.kinds} AS tags, "
        f"{words.wording} AS wording, n_groups, group_name AS group_a, group_b, id AS run_id_a, run_id_b, "
        f"value AS value_a, value_b, value - value_b AS difference FROM ({compared}) c",
        "v_bias_effects": f"SELECT b.experiment_id, e.name AS experiment, {_said('model', 'prompt_set', 'attribute')}, "
        f"b.measure, b.group_a, b.group_b, b.score AS effect, {_cast('DOUBLE PRECISION', REALS)}, "
        f"{_cast('INTEGER', COUNTS)}, {_said('clusters', 'judge', 'method', 'code_version')}, b.created_at "
        "FROM bias_results b JOIN experiments e ON e.id = b.experiment_id WHERE b.probe = 'counterfactual_pairs'",
    }


def _said(*names: str) -> str:
    return ", ".join(f"b.evidence ->> '{name}' AS {name}" for name in names)


def _cast(kind: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"CAST(b.evidence ->> '{name}' AS {kind}) AS {name}" for name in names)


def create() -> None:
    """Both views, in this database's words."""
    for name, select in definitions(op.get_bind().dialect.name).items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def drop() -> None:
    """Undo `create`."""
    for name in reversed(NAMES):
        op.execute(f"DROP VIEW {name}")
