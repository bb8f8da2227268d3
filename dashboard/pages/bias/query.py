"""The state of the Bias page in its link, and the counterfactual pairs that are read for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from headscope.analysis.classifiers.card import card
from headscope.analysis.statistics.counterfactual import Contrast, PairDifference, contrasts
from headscope.dashboard import links
from headscope.dashboard.covered import prompt
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.dashboard.services import Services
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import PAIR_MEASURES, Offence, Offences, PairRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasQuery(ScopeQuery):
    """measure: what is compared. attribute: one row per tag, or all tags together. only: `marked` rows. sort: the
    table's order. row: the contrast whose pairs are listed (its `key`)."""

    PAGE: ClassVar[Page] = Page("bias", links.BIAS, "Bias", "people", 28, shortcut="b")

    measure: str = choice(*PAIR_MEASURES)
    attribute: str = choice("tag", "all")
    only: str = choice("all", "marked")
    sort: str = choice("certainty", "effect", "pairs")
    row: str = ""


def runs_of(store: RunReader, query: BiasQuery) -> PairRuns:
    """Every prompt of a pair among the runs, with the measure asked for."""
    return store.pair_runs(query.where(), query.measure, card().classifier)


def compared(store: RunReader, query: BiasQuery) -> list[Contrast]:
    """The table's rows, the surest first."""
    return contrasts(runs_of(store, query).members, pooled=query.attribute == "all")


def chosen(services: Services, query: BiasQuery) -> Contrast | None:
    """The contrast of the link's row, None without one. Its pairs are all of its model and set: no more is compared."""
    parts = query.row.split("|")
    if len(parts) < 2:
        return None
    everything = runs_of(services.store, query).members
    mine = [
        i for i, pair in enumerate(zip(everything.model, everything.prompt_set, strict=True)) if pair == (*parts[:2],)
    ]
    rows = contrasts(everything.only(mine), pooled=query.attribute == "all")
    return next((row for row in rows if row.key == query.row), None)


def offences(store: RunReader, pairs: Sequence[PairDifference]) -> Offences:
    """What of the runs of these pairs is offensive."""
    return store.offensive([run_id for pair in pairs for run_id in (pair.a_run, pair.b_run)])


def offensive_wordings(store: RunReader, pairs: Sequence[PairDifference]) -> Mapping[str, Offence]:
    """Wording -> why it is covered: a prompt made of it is offensive."""
    why = offences(store, pairs)
    found = ((pair.template, prompt(why, pair.a_run) or prompt(why, pair.b_run)) for pair in pairs)
    return {template: offence for template, offence in found if offence is not None}
