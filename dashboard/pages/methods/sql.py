"""The SQL behind the page, for `headscope sql`, a notebook, or a colleague who does not believe it."""

from __future__ import annotations

from headscope.dashboard.pages.methods.query import MethodsQuery

BOARD = """SELECT method, count(*) AS n, avg(gain - random_gain) AS gain_over_random,
       stddev_samp(gain - random_gain) AS deviation, avg(comprehensiveness) AS comprehensiveness,
       avg(sufficiency) AS sufficiency,
       avg(CASE WHEN verdict = 'better than random' THEN 1.0 ELSE 0.0 END) AS better_than_random,
       sum(CASE WHEN converged THEN 0 WHEN converged IS NULL THEN 0 ELSE 1 END) AS not_converged,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY error) AS median_error,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY sensitivity) AS median_sensitivity
FROM v_receipts
WHERE {where}
  AND gain - random_gain IS NOT NULL
GROUP BY method
ORDER BY gain_over_random DESC"""
RECEIPTS = """SELECT run_id, text, target, verdict, gain - random_gain AS gain_over_random, random_low, random_high,
       p_value
FROM v_receipts
WHERE {where}
  AND method = {method}
ORDER BY gain_over_random"""
SCORES = """SELECT s.run_id, s.method, s.position, s.token, s.score, s.score_error, s.converged
FROM v_attribution_scores s JOIN runs r ON r.id = s.run_id
WHERE {where}
ORDER BY s.run_id, s.method, s.position"""


def board(query: MethodsQuery) -> str:
    """What the leaderboard counts."""
    return BOARD.format(where=_where(query, ""))


def receipts(query: MethodsQuery) -> str:
    """The receipts of one method."""
    return RECEIPTS.format(where=_where(query, ""), method=_literal(query.method))


def scores(query: MethodsQuery) -> str:
    """What agreement is worked out from."""
    return SCORES.format(where=_where(query, "r."))


def _where(query: MethodsQuery, prefix: str) -> str:
    chosen = {name: getattr(query, name) for name in ("experiment", "model", "prompt_set")}
    return " AND ".join(f"{prefix}{name} = {_literal(value)}" for name, value in chosen.items() if value) or "TRUE"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
