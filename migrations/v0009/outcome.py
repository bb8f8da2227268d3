"""The column `outcome` of version 0009 and how it is filled from `params` and put back, frozen.

Versions before kept both in `params`, by keys of each method. In SQL, and on DuckDB as a change of the column's type,
because a DuckDB transaction that updates a table can no longer alter it, as older versions' downgrades do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alembic import op

from headscope.migrations.v0001.tables import column

SAME = ("converged", "value_change", "not_explained")
STEPS = ("steps", "evaluations")
COALITIONS = "method = 'shapley_exact'"  # these were counted as `evaluations`, points of paths as `steps`
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
BASELINE, GENERATED = "baseline used", "generated tokens"
MISSING = "baseline_missing"  # then `baseline` was the one that stood in
REPEATED = "explains"  # always `logit`, which `quantity` says
MOVED = (*SAME, *STEPS, *ERRORS, *TERMS, MISSING, "n_targets", REPEATED)


class PostgreSQL:
    """How PostgreSQL says it."""

    def made(self, values: Mapping[str, str]) -> str:
        """An object of SQL expressions without those that are NULL; NULL when all are."""
        return f"NULLIF(jsonb_strip_nulls(jsonb_build_object({_pairs(values)})), CAST('{{}}' AS JSONB))"

    def without(self, source: str, names: Sequence[str]) -> str:
        """An object without some of its keys."""
        return f"({source} - ARRAY[{', '.join(map(_quoted, names))}])"

    def merged(self, *objects: str) -> str:
        """Objects as one, later ones first; NULL adds nothing."""
        return " || ".join(f"COALESCE({one}, CAST('{{}}' AS JSONB))" for one in objects)

    def matched(self, source: str, pattern: str) -> str:
        """The group of a pattern in a text; NULL without a match."""
        return f"substring({source} FROM {_quoted(pattern)})"

    def put_back(self, values: Mapping[str, str]) -> None:
        """Give columns their values before another is dropped."""
        update(values)


class DuckDB:
    """How DuckDB says it."""

    def made(self, values: Mapping[str, str]) -> str:
        """An object of SQL expressions without those that are NULL; NULL when all are."""
        return f"NULLIF(json_merge_patch('{{}}', json_object({_pairs(values)})), CAST('{{}}' AS JSON))"

    def without(self, source: str, names: Sequence[str]) -> str:
        """An object without some of its keys."""
        return f"json_merge_patch({source}, json_object({_pairs(dict.fromkeys(names, 'NULL'))}))"

    def merged(self, *objects: str) -> str:
        """Objects as one, later ones first; NULL adds nothing."""
        first, *rest = (f"COALESCE({one}, CAST('{{}}' AS JSON))" for one in objects)
        for one in rest:
            first = f"json_merge_patch({first}, {one})"
        return first

    def matched(self, source: str, pattern: str) -> str:
        """The group of a pattern in a text; NULL without a match."""
        return f"NULLIF(regexp_extract({source}, {_quoted(pattern)}, 1), '')"

    def put_back(self, values: Mapping[str, str]) -> None:
        """Give columns their values, one after the other, before another is dropped: after an UPDATE that would fail at
        commit. Not on the way up: a log that holds such an ALTER cannot be replayed after a crash."""
        for name, value in values.items():
            op.execute(f"ALTER TABLE attributions ALTER {name} TYPE JSON USING {value}")


def update(values: Mapping[str, str]) -> None:
    """Give columns their values."""
    op.execute(f"UPDATE attributions SET {', '.join(f'{name} = {value}' for name, value in values.items())}")


def _quoted(text: str) -> str:
    return f"'{text}'"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{_quoted(name)}, {value}" for name, value in values.items())


def _at(source: str, *path: str) -> str:
    """A value within an object, as JSON."""
    for name in path:
        source = f"({source}->{_quoted(name)})"
    return source


def _text(source: str, name: str) -> str:
    return f"({source}->>{_quoted(name)})"


def _if(condition: str, value: str) -> str:
    return f"CASE WHEN {condition} THEN {value} END"


def add() -> None:
    """The column, with what `params` of the rows that are there say of it."""
    op.add_column("attributions", column("outcome json?"))
    sql = _words()
    missing = _text("params", MISSING)
    asked = sql.made({"baseline": sql.matched(missing, r"has no (\w+) token")})
    update({"outcome": sql.made(_outcome(sql)), "params": sql.merged(sql.without("params", MOVED), asked)})


def _outcome(sql: PostgreSQL | DuckDB) -> dict[str, str]:
    """What is in `outcome`, by SQL over `params`."""
    errors = {_at("params", name): said for name, said in ERRORS.items()}
    there = [(f"{error} IS NOT NULL", said) for error, said in errors.items()]
    facts = {
        BASELINE: f"{_text('params', 'baseline')} || ': ' || {_text('params', MISSING)}",
        GENERATED: _at("params", "n_targets"),
    }
    return {
        **{name: _at("params", name) for name in SAME},
        "steps": f"COALESCE({', '.join(_at('params', name) for name in STEPS)})",
        "error": f"COALESCE({', '.join(errors)})",
        "error_label": f"COALESCE({', '.join(_if(when, _quoted(label)) for when, (label, _) in there)})",
        "remedy": f"COALESCE({', '.join(_if(when, _quoted(remedy)) for when, (_, remedy) in there)})",
        "terms": sql.made({label: _at("params", name) for name, label in TERMS.items()}),
        "facts": sql.made(facts),
    }


def remove() -> None:
    """Undo `add`. Facts that version 0008 did not know stay under their labels."""
    sql = _words()
    others = sql.without(_at("outcome", "facts"), (BASELINE, GENERATED))
    sql.put_back({"params": sql.merged("params", others, sql.made(_params()))})
    op.drop_column("attributions", "outcome")


def _params() -> dict[str, str]:
    """What version 0008 kept in `params` besides the settings, by SQL over `outcome`."""
    label, used = _text("outcome", "error_label"), _text(_at("outcome", "facts"), BASELINE)
    return {
        **{name: _at("outcome", name) for name in SAME},
        "steps": _if(f"NOT {COALITIONS}", _at("outcome", "steps")),
        "evaluations": _if(COALITIONS, _at("outcome", "steps")),
        **{name: _if(f"{label} = {_quoted(said)}", _at("outcome", "error")) for name, (said, _) in ERRORS.items()},
        **{name: _at("outcome", "terms", said) for name, said in TERMS.items()},
        REPEATED: _if(f"{_at('outcome', 'terms')} IS NOT NULL", "'logit'"),
        "baseline": f"split_part({used}, ': ', 1)",
        MISSING: f"split_part({used}, ': ', 2)",
        "n_targets": _at("outcome", "facts", GENERATED),
    }


def _words() -> PostgreSQL | DuckDB:
    return PostgreSQL() if op.get_bind().dialect.name == "postgresql" else DuckDB()
