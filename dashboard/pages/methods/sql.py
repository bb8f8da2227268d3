"""The SQL behind the page, for `headscope sql`, a notebook, or a colleague who does not believe it."""

from __future__ import annotations

from headscope.dashboard.pages.methods.query import MethodsQuery

BOARD = """WITH found AS (
  SELECT *, {kept} AS kept FROM v_receipts WHERE {where} AND verdict <> 'not measured'
)
SELECT method, count(*) FILTER (WHERE kept AND gain - random_gain IS NOT NULL) AS n,
       count(*) FILTER (WHERE NOT kept) AS left_out,
       avg(gain - random_gain) FILTER (WHERE kept) AS gain_over_random,
       avg(gain - recency_gain) FILTER (WHERE kept) AS gain_over_recency,
       avg(comprehensiveness) FILTER (WHERE kept) AS comprehensiveness,
       avg(sufficiency) FILTER (WHERE kept) AS sufficiency,
       avg(shapley_top1) FILTER (WHERE kept) AS same_top_token_as_shapley,
       {verdicts},
       percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN kept THEN error END) AS median_error,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN kept THEN sensitivity END) AS median_sensitivity,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN kept THEN method_seconds END) AS median_seconds,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE WHEN kept THEN peak_bytes END) AS median_peak_bytes
FROM found
GROUP BY method
ORDER BY gain_over_random DESC NULLS LAST"""
VERDICTS = {
    "better_than_random_and_recency": "converged IS NOT FALSE AND verdict = 'better than random and recency'",
    "better_than_random_only": "converged IS NOT FALSE AND verdict = 'better than random only'",
    "no_better_than_random": "converged IS NOT FALSE AND verdict = 'no better than random here'",
    "not_converged": "converged IS FALSE",
}
RECEIPTS = """SELECT run_id, text, target, verdict, gain - random_gain AS gain_over_random, random_low, random_high,
       gain - recency_gain AS gain_over_recency, p_value, shapley_top1, shapley_tau, second_baseline, baseline_tau
FROM v_receipts
WHERE {where}
  AND method = {method}
  AND {kept}
ORDER BY gain_over_random"""
SCORES = """SELECT s.run_id, s.method, s.position, s.token, s.score, s.score_error, s.converged
FROM v_attribution_scores s JOIN runs r ON r.id = s.run_id
WHERE {where}
  AND {kept}
ORDER BY s.run_id, s.method, s.position"""


def board(query: MethodsQuery, ids: str = "") -> str:
    """What the leaderboard counts. ids: the statement that finds the runs, for a selection beyond what is named; so in
    the next two."""
    verdicts = (f"avg(CASE WHEN {when} THEN 1.0 ELSE 0.0 END) AS {name}" for name, when in VERDICTS.items())
    return BOARD.format(where=_where(query, ids), kept=_kept(query), verdicts=",\n       ".join(verdicts))


def receipts(query: MethodsQuery, ids: str = "") -> str:
    """The receipts of one method."""
    return RECEIPTS.format(where=_where(query, ids), method=_literal(query.method), kept=_kept(query))


def scores(query: MethodsQuery, ids: str = "") -> str:
    """What agreement is worked out from."""
    return SCORES.format(where=_where(query, ids, "s.", "r."), kept=_kept(query))


def _kept(query: MethodsQuery) -> str:
    """What did not converge, by its method's own word, is left out."""
    return "TRUE" if query.unconverged else "converged IS NOT FALSE"


def _where(query: MethodsQuery, ids: str, table: str = "", runs: str = "") -> str:
    if ids:
        return f"{table}run_id IN ({ids})"
    return " AND ".join(f"{runs}{name} = {_literal(value)}" for name, value in query.scope().items()) or "TRUE"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
