"""The state of the Bias page in its link, and the counterfactual pairs that are read for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from headscope.analysis.classifiers.card import card
from headscope.analysis.statistics.counterfactual import Contrast, PairDifference, Pairs, contrast, contrasts
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
    if not query.row:
        return None
    return contrast(runs_of(services.store, query).members, query.row, pooled=query.attribute == "all")


def offences(store: RunReader, pairs: Sequence[PairDifference]) -> Offences:
    """What of the runs of these pairs is offensive."""
    return store.offensive([run_id for pair in pairs for run_id in (pair.a_run, pair.b_run)])


def offensive_wordings(store: RunReader, pairs: Pairs) -> Mapping[str, Offence]:
    """Wording as `by_template` says it -> why it is covered: a prompt made of it is offensive."""
    run_id, shown = pairs.members.run_id, pairs.shown
    why = store.offensive([run_id[i] for i in pairs.sides.reshape(-1).tolist()])
    found = {}
    for template, sides in zip(pairs.template.tolist(), pairs.sides.tolist() if why else (), strict=False):
        offence = next((offence for i in sides if (offence := prompt(why, run_id[i])) is not None), None)
        if offence is not None:
            found[shown[template]] = offence
    return found
