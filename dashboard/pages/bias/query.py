"""The state of the Bias page in its link, and the counterfactual pairs that are read for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from headscope.analysis.classifiers.card import card
from headscope.analysis.prompt_tags import CONTEXT, TEMPLATE, value_of
from headscope.analysis.statistics.counterfactual import Contrast, Member, PairDifference, contrasts
from headscope.dashboard import links
from headscope.dashboard.covered import prompt
from headscope.dashboard.link_state import choice
from headscope.dashboard.pages import Page
from headscope.dashboard.scoped.query import ScopeQuery
from headscope.dashboard.services import Services
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import Measures, Offence, Offences


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasQuery(ScopeQuery):
    """measure: what is compared. attribute: one row per tag, or all tags together. only: `marked` rows. sort: the
    table's order. row: the contrast whose pairs are listed (its `key`)."""

    PAGE: ClassVar[Page] = Page("bias", links.BIAS, "Bias", "people", 28, shortcut="b")

    measure: str = choice("margin", "loglik", "toxicity")
    attribute: str = choice("tag", "all")
    only: str = choice("all", "marked")
    sort: str = choice("certainty", "effect", "pairs")
    row: str = ""


def members(store: RunReader, query: BiasQuery) -> list[Member]:
    """Every prompt of a pair among the runs, with the measure asked for."""
    runs = store.measures(query.where())
    values = _values(store, query, runs)
    return [
        Member(runs.run_id[i], runs.model[i], runs.prompt_set[i] or "", pair, group, attribute, runs.text[i], values[i],
               value_of(runs.tags[i], TEMPLATE) or "")
        for i, (pair, group) in enumerate(zip(runs.pair_id, runs.group, strict=True))
        if pair is not None and group is not None
        for attribute in (_kinds(runs.tags[i]) if query.attribute == "tag" else ("all",))
    ]  # fmt: skip


def _kinds(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The tags that say what kind of pair it is: not the wording's name, nor how much of the text is context."""
    return tuple(item for item in tags if not item.startswith((f"{TEMPLATE}:", f"{CONTEXT}:"))) or ("",)


def _values(store: RunReader, query: BiasQuery, runs: Measures) -> list[float]:
    if query.measure == "margin":
        return [float(value) for value in runs.margin]
    if query.measure == "loglik":
        return [float(value) for value in -runs.mean_surprisal * (runs.n_tokens - 1)]
    rows = store.toxicity(query.where(), card().classifier)
    scores = {row.run_id: row.score for row in rows if row.part == "continuation" and row.label == "toxic"}
    return [math.nan if (score := scores.get(run_id)) is None else score for run_id in runs.run_id]


def chosen(services: Services, query: BiasQuery) -> Contrast | None:
    """The contrast of the link's row, None without one."""
    if not query.row:
        return None
    found = contrasts(members(services.store, query))
    return next((row for row in found if row.key == query.row), None)


def offences(store: RunReader, pairs: Sequence[PairDifference]) -> Offences:
    """What of the runs of these pairs is offensive."""
    return store.offensive([run_id for pair in pairs for run_id in (pair.a_run, pair.b_run)])


def offensive_wordings(store: RunReader, pairs: Sequence[PairDifference]) -> Mapping[str, Offence]:
    """Wording -> why it is covered: a prompt made of it is offensive."""
    why = offences(store, pairs)
    found = ((pair.template, prompt(why, pair.a_run) or prompt(why, pair.b_run)) for pair in pairs)
    return {template: offence for template, offence in found if offence is not None}
