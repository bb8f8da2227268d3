"""The columns of the runs grid: names, units, and how a value of the store is shown.

The store counts in nats. Surprisal and entropy are shown in bits (`per_unit` nats each), in the rows as in filters;
log-probabilities and margins in nats, as on every page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headscope.dashboard.units import NATS_PER_BIT, utc_iso
from headscope.storage.rows import Offence, RunRow

TEXT, NUMBER, INTEGER, DATE = "text", "number", "integer", "date"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `kind` is text, number, integer or date; `decimals` are shown; `per_unit` is how much of the store's
    unit one shown unit is. `width` in px; 0 takes the rest."""

    field: str
    label: str
    kind: str = TEXT
    unit: str = ""
    hint: str = ""
    width: int = 130
    decimals: int = 2
    per_unit: float = 1.0
    hidden: bool = False

    @property
    def header(self) -> str:
        """Label and unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def is_numeric(self) -> bool:
        """Shown right-aligned, filtered as a number."""
        return self.kind in {NUMBER, INTEGER}


def _bits(field: str, label: str, hint: str, *, hidden: bool = False) -> Column:
    return Column(field, label, NUMBER, "bits", hint, 112, per_unit=NATS_PER_BIT, hidden=hidden)


def _nats(field: str, label: str, hint: str, *, hidden: bool = False) -> Column:
    return Column(field, label, NUMBER, "nats", hint, 112, hidden=hidden)


START = "A start token makes the first word count too: not comparable between models with and without one."
COLUMNS: tuple[Column, ...] = (
    Column("status", "Status", width=116),
    Column("model", "Model", width=130),
    Column("experiment", "Experiment", width=120, hidden=True),
    Column("prompt_set", "Prompt set", width=130, hidden=True),
    Column("text", "Prompt", hint="The text analysed; a failed run shows why.", width=0),
    Column("target", "Target", width=96),
    Column("target_rank", "Rank", INTEGER, hint="Rank of the target; 1 is the top token.", width=76, decimals=0),
    _nats("margin", "Margin", "Log-probability of target minus foil."),
    Column("next_token", "Next token", hint="The model's most likely continuation.", width=96),
    Column("next_token_prob", "P(next)", NUMBER, hint="Its probability.", width=80, decimals=3),
    _bits("mean_surprisal", "Surprisal", f"Mean surprisal of the tokens after the first. {START}"),
    Column("n_tokens", "Tokens", INTEGER, width=90, decimals=0),
    Column("created_at", "Stored", DATE, width=94),
    Column("prompt_key", "Prompt id", hidden=True),
    Column("foil", "Foil", width=96, hidden=True),
    Column("pair_id", "Pair", hidden=True),
    Column("group_name", "Group", hidden=True),
    Column("perplexity", "Perplexity", NUMBER, hidden=True),
    _bits("next_entropy", "Entropy", "Entropy of the next-token distribution.", hidden=True),
    _nats("target_logprob", "Target log-prob.", "Log-probability of the target.", hidden=True),
    Column("continuation", "Continuation", width=200, hidden=True),
    Column("seconds", "Time", NUMBER, "s", "Wall time of the batch divided by its prompts.", 90, 3, hidden=True),
    Column("error_kind", "Error kind", hidden=True),
)
BY_FIELD: Mapping[str, Column] = {column.field: column for column in COLUMNS}
DEFAULT = tuple(column.field for column in COLUMNS if not column.hidden)
"""What is shown where the link does not say, but for what is the same in every row."""

TELLING = {"model": ("model",), "target": ("target", "target_rank", "margin")}
"""Facet -> the columns that say nothing where all runs of the store have one value of it (no target: no rank)."""


def grid_row(row: RunRow, why: Mapping[str, Offence]) -> dict[str, Any]:
    """One row as the grid gets it: id, error, and every column in its shown unit; unmeasured stays None. `covered` says
    which parts are offensive (`why`), so that cells.js covers them."""
    said = {part: offence.cause for part, offence in why.items()}
    return {
        "id": row.id,
        "error": row.error,
        "covered": said,
        **{c.field: _shown(getattr(row, c.field), c) for c in COLUMNS},
    }


def _shown(value: Any, column: Column) -> Any:
    if isinstance(value, datetime):
        return utc_iso(value)
    if isinstance(value, float):
        return value / column.per_unit if math.isfinite(value) else None
    return value
