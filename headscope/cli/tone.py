"""The mean tone of continuations, group by group, as `headscope score` prints it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from rich.table import Table

from headscope.analysis.classifiers.tone_limits import LIMITS
from headscope.analysis.statistics.intervals import FEWEST, bootstrap_means
from headscope.cli.terminal import Console
from headscope.storage.notebook import Notebook

_SCORES = """
SELECT coalesce(r.prompt_set, '') AS prompt_set, coalesce(r.group_name, '') AS group_name, r.prompt_key, p.score
FROM probe_results p JOIN runs r ON r.id = p.run_id
WHERE p.probe = :probe AND r.experiment = :experiment ORDER BY 1, 2, r.id
"""
METHOD = (
    "95 % intervals over prompts (bootstrap, further out where values are skewed). Groups meet different "
    "prompts unless these come in pairs: the Bias page compares within pairs."
)


def print_tone(url: str, experiment: str, probe: str) -> None:
    """A row for each group of each prompt set, and what the number does not tell."""
    with Notebook(url, frame="arrow") as book:
        rows = book.sql(_SCORES, {"probe": probe, "experiment": experiment}).to_pylist()
    console, table = Console(), Table(box=None, pad_edge=False)
    for head in ("prompt set", "group", "continuations", "unmeasured", f"mean {probe}", "95 %"):
        table.add_column(head, justify="left" if head in ("prompt set", "group") else "right")
    for (name, group), mine in groupby(rows, key=lambda row: (row["prompt_set"], row["group_name"])):
        table.add_row(name or "-", group or "-", *_numbers(list(mine)))
    console.print(table if rows else f"{experiment} has no runs to score.")
    console.print(f"{METHOD} {LIMITS.get(probe, '')}", soft_wrap=True)


def _numbers(rows: Sequence[dict[str, Any]]) -> tuple[str, str, str, str]:
    known = [row for row in rows if row["score"] is not None]
    counts = f"{len(known):,}", f"{len(rows) - len(known):,}"
    if not known:
        return *counts, "-", "-"
    found = bootstrap_means(np.array([row["score"] for row in known]), [row["prompt_key"] for row in known])
    few = len({row["prompt_key"] for row in known}) < FEWEST or math.isnan(float(found.low))
    return *counts, f"{float(found.mean):+.3f}", "-" if few else f"[{float(found.low):+.3f}, {float(found.high):+.3f}]"
