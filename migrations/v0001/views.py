"""The views of version 0001, frozen: arrays as rows, with NULL for what was not measured.

NULLIF with NaN works because NaN equals NaN on both databases.
"""

from __future__ import annotations

from alembic import op

HEAD_STATS = (
    "entropy",
    "entropy_normalised",
    "mean_distance",
    "previous_token",
    "first_token",
    "self_attention",
    "duplicate_token",
    "induction",
    "max_weight",
)
LAYER_STATS = ("residual_norm", "attn_update_norm", "mlp_update_norm", "lens_prob", "lens_rank", "kl_to_final")
NAMES = ("v_runs", "v_tokens", "v_candidates", "v_heads", "v_layers", "v_lens", "v_attribution_scores")

RUNS = """
SELECT r.id, r.status, r.experiment_id, r.experiment, r.model_id, r.model, r.prompt_set, r.prompt_key, r.text,
    r.target, r.foil, r.tags, r.pair_id, r.group_name, r.created_at, r.seconds, r.n_tokens, r.mean_surprisal,
    r.perplexity, r.next_token, r.next_token_prob, r.next_entropy, r.target_logprob, r.target_rank, r.margin,
    r.continuation, r.error, r.error_kind, d.explained_token, d.seed, d.analyses, d.result_key, m.dtype,
    m.weights_sha256, s.version AS prompt_set_version
FROM runs r
LEFT JOIN run_details d ON d.run_id = r.id
LEFT JOIN models m ON m.id = r.model_id
LEFT JOIN prompt_sets s ON s.id = r.prompt_set_id
"""


def _real(*names: str) -> str:
    return ", ".join(f"NULLIF({name}, CAST('NaN' AS REAL)) AS {name}" for name in names)


class PostgreSQL:
    """How PostgreSQL says it."""

    divide = "/"

    def unnest(self, keys: str, arrays: dict[str, str], source: str) -> str:
        """Rows of `keys`, `i` (from 0) and one element of each array."""
        names = ", ".join(arrays)
        elements = ", ".join(f"u.{name}" for name in arrays)
        return (
            f"SELECT {keys}, CAST(u.n - 1 AS INTEGER) AS i, {elements} FROM {source} "
            f"CROSS JOIN LATERAL unnest({', '.join(arrays.values())}) WITH ORDINALITY AS u({names}, n)"
        )


class DuckDB:
    """How DuckDB says it."""

    divide = "//"

    def unnest(self, keys: str, arrays: dict[str, str], source: str) -> str:
        """Rows of `keys`, `i` (from 0) and one element of each array."""
        first = next(iter(arrays.values()))
        elements = ", ".join(f"unnest({array}) AS {name}" for name, array in arrays.items())
        return f"SELECT {keys}, CAST(generate_subscripts({first}, 1) - 1 AS INTEGER) AS i, {elements} FROM {source}"


def definitions(dialect: str) -> dict[str, str]:
    """View name -> SELECT."""
    sql = PostgreSQL() if dialect == "postgresql" else DuckDB()
    per_token = {name: f"t.{name}s" for name in ("token", "char_start", "char_end", "logprob", "rank")}
    tokens = sql.unnest("t.run_id", {**per_token, "entropy": "t.entropies"}, "token_traces t")
    candidates = sql.unnest(
        "t.run_id, t.n_candidates",
        {"token": "t.candidate_tokens", "logprob": "t.candidate_logprobs"},
        "token_traces t",
    )
    heads = sql.unnest("h.run_id, h.n_heads", {name: f"h.{name}" for name in HEAD_STATS}, "head_summaries h")
    layers = sql.unnest("s.run_id", {name: f"s.{name}" for name in LAYER_STATS}, "layer_summaries s")
    lens = sql.unnest(
        "s.run_id, s.n_positions, t.tokens",
        {"top_token": "s.lens_tokens", "top_prob": "s.lens_probs", "entropy": "s.lens_entropies"},
        "layer_summaries s JOIN token_traces t ON t.run_id = s.run_id",
    )
    scores = sql.unnest(
        "a.run_id, a.method, a.target, a.foil, t.tokens, a.axes",
        {"score": "a.scores"},
        "attributions a JOIN token_traces t ON t.run_id = a.run_id",
    )
    return {
        "v_runs": RUNS,
        "v_tokens": f"SELECT run_id, i AS position, token, char_start, char_end, {_real('logprob')}, "
        f"-NULLIF(logprob, CAST('NaN' AS REAL)) AS surprisal, rank, {_real('entropy')} FROM ({tokens}) x",
        "v_candidates": f"SELECT run_id, i {sql.divide} n_candidates AS position, "
        f"i % n_candidates + 1 AS candidate_rank, token, {_real('logprob')}, "
        f"exp(NULLIF(logprob, CAST('NaN' AS REAL))) AS probability FROM ({candidates}) x",
        "v_heads": f"SELECT run_id, i {sql.divide} n_heads AS layer, i % n_heads AS head, {_real(*HEAD_STATS)} "
        f"FROM ({heads}) x",
        "v_layers": f"SELECT run_id, i AS layer, {_real(*LAYER_STATS)} FROM ({layers}) x",
        "v_lens": f"SELECT run_id, i {sql.divide} n_positions AS layer, i % n_positions AS position, "
        f"tokens[i % n_positions + 1] AS token, top_token, {_real('top_prob', 'entropy')} FROM ({lens}) x",
        "v_attribution_scores": "SELECT run_id, method, target, foil, i AS position, tokens[i + 1] AS token, "
        f"{_real('score')} FROM ({scores}) x WHERE axes[1] = 'position' AND axes[2] IS NULL",
    }


def create() -> None:
    """Every view, in this database's words."""
    for name, select in definitions(op.get_bind().dialect.name).items():
        op.execute(f"CREATE VIEW {name} AS {select}")


def drop() -> None:
    """Undo `create`."""
    for name in reversed(NAMES):
        op.execute(f"DROP VIEW {name}")
