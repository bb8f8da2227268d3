"""The lines of the Bias page's table: contrasts by themselves or beside another model's, filtered and in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headscope.analysis.statistics.beside import beside
from headscope.analysis.statistics.counterfactual import OTHERS, Contrast, Members, contrast
from headscope.analysis.statistics.effects import Effect
from headscope.dashboard.pages.bias.query import BiasQuery, compared, runs_of
from headscope.storage.interfaces import RunReader

LEVEL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A contrast with the effect its line is about: its own or, with a `second`, how far both are apart."""

    contrast: Contrast
    effect: Effect
    adjusted_p: float
    second: Contrast | None = None

    @property
    def marked(self) -> bool:
        """Whether it stands out from chance, the whole table considered."""
        return self.adjusted_p < LEVEL


def all_lines(store: RunReader, query: BiasQuery) -> list[Line]:
    """Of every contrast that the link's runs allow, the surest first."""
    if query.beside_model:
        return _beside(store, query, runs_of(store, query).members)
    return [_own(row) for row in compared(store, query)]


def chosen(store: RunReader, query: BiasQuery) -> Line | None:
    """The line of the link's row, None without one. Its pairs are all of its model and set: no more is compared."""
    if not query.row:
        return None
    members = runs_of(store, query).members
    if not query.beside_model:
        found = contrast(members, query.row, pooled=query.attribute == "all")
        return None if found is None else _own(found)
    parts = query.row.split("|")
    names = zip(members.model, members.prompt_set, strict=True)
    mine = members.only([i for i, name in enumerate(names) if name == (*parts[:2],)])
    return next((line for line in _beside(store, query, mine) if line.contrast.key == query.row), None)


def _own(row: Contrast) -> Line:
    return Line(row, row.effect, row.adjusted_p)


def _beside(store: RunReader, query: BiasQuery, mine: Members) -> list[Line]:
    other = query.other()
    if other.experiment == query.experiment:  # nothing is held against itself
        mine = mine.only([i for i, model in enumerate(mine.model) if model != other.model])
    found = beside(mine, runs_of(store, other).members, other.model, pooled=query.attribute == "all")
    return [Line(row.first, row.apart, row.adjusted_p, row.second) for row in found]


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing that lines are chosen by. key: of the link; values: what a contrast has of it."""

    key: str
    label: str
    values: Callable[[Contrast], tuple[str, ...]]


FACETS = (
    Facet("sets", "Set", lambda row: (row.prompt_set,)),
    Facet("models", "Model", lambda row: (row.model,)),
    Facet("groups", "Group", lambda row: tuple(group for group in (row.a, row.b) if group != OTHERS)),
    Facet("tags", "Tag", lambda row: (row.attribute,)),
)


def listed(query: BiasQuery, lines: Sequence[Line]) -> list[Line]:
    """The lines that the link asks for, in its order."""
    shown = [line for line in lines if _fits(query, line)]
    orders: dict[str, Callable[[Line], float]] = {
        "effect": lambda line: -abs(line.effect.mean),
        "pairs": lambda line: -line.effect.n,
    }
    return sorted(shown, key=orders[query.sort]) if query.sort in orders else shown


def facet_counts(query: BiasQuery, lines: Sequence[Line], facet: Facet) -> list[tuple[str, int]]:
    """How many lines have each value under the other conditions, the most first; what is chosen stays even at 0."""
    found = Counter(dict.fromkeys(getattr(query, facet.key), 0))
    for line in lines:
        if _fits(query, line, but=facet.key):
            found.update(facet.values(line.contrast))
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _fits(query: BiasQuery, line: Line, but: str = "") -> bool:
    row = line.contrast
    for facet in FACETS:
        wanted = getattr(query, facet.key)
        if wanted and facet.key != but and not set(wanted) & set(facet.values(row)):
            return False
    said = " ".join((row.a, row.b, row.attribute, row.prompt_set)).casefold()
    return all(word in said for word in query.q.casefold().split()) and (query.only == "all" or line.marked)
