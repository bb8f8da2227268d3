"""The state of the Bias page in its link, and the counterfactual pairs that are read for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from headscope.analysis.classifiers.card import card
from headscope.analysis.statistics.counterfactual import Contrast, PairDifference, Pairs, contrasts
from headscope.dashboard import links
from headscope.dashboard.covered import prompt
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import PAIR_MEASURES, Offence, Offences, PairRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasQuery(ScopeQuery):
    """measure: what is compared. attribute: one row per tag, or all tags together. sets, models, groups, tags: which
    rows of the table are shown, and q: words in what they are called; only: `marked` rows. sort: the table's order.
    row: the contrast whose pairs are listed (its `key`); pair: the one of them whose heads are. beside_model,
    beside_experiment: the runs that these are held against, none without a model; "" is the same experiment."""

    PAGE: ClassVar[Page] = Page("bias", links.BIAS, "Bias", "people", 28, shortcut="b")
    SUBJECT: ClassVar[str] = "pairs"

    measure: str = choice(*PAIR_MEASURES)
    attribute: str = choice("tag", "all")
    sets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    q: str = ""
    only: str = choice("all", "marked")
    sort: str = choice("certainty", "effect", "pairs")
    row: str = ""
    pair: str = ""
    beside_model: str = ""
    beside_experiment: str = ""

    def other(self) -> BiasQuery:
        """The same question to the runs that these are held against."""
        return replace(self, experiment=self.beside_experiment or self.experiment, model=self.beside_model)

    @property
    def other_name(self) -> str:
        """What those runs are called: the model, with the experiment where it is another one."""
        other = self.other()
        return other.model if other.experiment == self.experiment else f"{other.model} in {other.experiment}"


def runs_of(store: RunReader, query: BiasQuery) -> PairRuns:
    """Every prompt of a pair among the runs, with the measure asked for."""
    return store.pair_runs(query.where(), query.measure, card().classifier)


def compared(store: RunReader, query: BiasQuery) -> list[Contrast]:
    """The rows of the runs by themselves, the surest first."""
    return contrasts(runs_of(store, query).members, pooled=query.attribute == "all")


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
