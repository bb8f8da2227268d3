"""Results that did not converge: left out and counted, or taken in and said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dash.development.base_component import Component

from headscope.dashboard.cards import icon
from headscope.dashboard.pages.methods.query import MethodsQuery, label
from headscope.dashboard.parts import note, stay, warning
from headscope.storage.rows import MethodStats

Counts = Mapping[str, tuple[int, int]]
"""Method -> how many did not converge, of how many."""


def of_stats(rows: Iterable[MethodStats]) -> Counts:
    """Of methods, over prompt sets."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        unsure, n = found.get(row.method, (0, 0))
        found[row.method] = unsure + row.n_not_converged, n + row.n - row.n_failed
    return found


def said(query: MethodsQuery, counts: Counts) -> list[Component]:
    """One line, nothing when all converged."""
    unsure = {method: both for method, both in counts.items() if both[0]}
    if not unsure:
        return []
    named = ", ".join(f"{n:,} of {total:,} of {label(method)}" for method, (n, total) in sorted(unsure.items()))
    if query.unconverged:
        back = stay("Leave them out", query.link(unconverged=False))
        return [warning(f"Not converged, and counted in all the same: {named}. ", back)]
    n, total = (sum(both[i] for both in unsure.values()) for i in (0, 1))
    told = f" {n:,} of {total:,} left out: not converged ({named if len(unsure) > 1 else label(*unsure)}). "
    return [note(icon("funnel"), told, stay("Take them in", query.link(unconverged=True)))]
