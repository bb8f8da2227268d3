"""The state of the Regression page in its link, and the comparison it stands for."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, ClassVar

from headscope.analysis.statistics import check_rules
from headscope.dashboard import links
from headscope.dashboard.link_state import QueryState, choice, number
from headscope.dashboard.pages import Page
from headscope.jobs import regression
from headscope.jobs.regression import FLIPPED, LISTED, Compared
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import ExperimentRow

MOST_RUNS = 100_000
"""Runs of both experiments together that the page reads while a reader waits; the command reads any number."""
KEPT_SECONDS = 20.0
KEPT = 4
PAGE_SIZE = LISTED


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionQuery(QueryState):
    """baseline, candidate: NAME or NAME@MODEL, as for `headscope check`. fail_on: its rules, "" for the usual ones.
    which: the flips listed, page counted from 0."""

    PAGE: ClassVar[Page] = Page("regression", links.REGRESSION, "Regression", "graph-down", 29, shortcut="e")

    baseline: str = ""
    candidate: str = ""
    fail_on: str = ""
    which: str = choice(*FLIPPED)
    page: int = number(0, low=0)

    @property
    def chosen(self) -> bool:
        """Whether both experiments are."""
        return bool(self.baseline and self.candidate)

    def link(self, **changes: Any) -> str:
        """The page's link with some keys changed."""
        return links.view(self.PAGE.path, replace(self, **changes))

    def rules(self) -> tuple[str, ...]:
        """The rules asked for, each with what it allows."""
        asked = self.fail_on or ",".join(check_rules.DEFAULT)
        return tuple(part for part in (item.strip() for item in asked.split(",")) if part)

    def toggled(self, name: str) -> str:
        """The link with one rule more or less; the last one stays."""
        kept = [part for part in self.rules() if part.partition(":")[0] != name]
        if len(kept) == len(self.rules()):
            kept.append(name)
        usual = sorted(kept) == sorted(check_rules.DEFAULT)
        return self.link(fail_on="" if usual else ",".join(kept or self.rules()))

    def without(self, names: Sequence[str]) -> str:
        """The link without these rules."""
        return self.link(fail_on=",".join(part for part in self.rules() if part.partition(":")[0] not in names))

    def command(self, store: str) -> str:
        """What says the same in a terminal."""
        words = ["headscope", "check", "--baseline", self.baseline, "--candidate", self.candidate]
        words += ["--fail-on", self.fail_on] if self.fail_on else []
        return shlex.join([*words, "--store", store])


@dataclass(frozen=True, slots=True)
class Side:
    """What can be compared: the runs of one model in one experiment. n_runs: of the whole experiment."""

    name: str
    n_runs: int


def sides(experiments: Sequence[ExperimentRow]) -> list[Side]:
    """Experiments that have finished runs; of one with several models each model by itself."""
    found = []
    for row in experiments:
        if not row.n_succeeded:
            continue
        models = sorted({PurePath(model).name for model in row.models}) if len(row.models) > 1 else []
        found += [Side(f"{row.name}@{model}", row.n_runs) for model in models] or [Side(row.name, row.n_runs)]
    return found


def runs_to_read(experiments: Sequence[ExperimentRow], query: RegressionQuery) -> int:
    """Runs that a comparison reads: all of both experiments."""
    names = {query.baseline.partition("@")[0], query.candidate.partition("@")[0]}
    return sum(row.n_runs for row in experiments if row.name in names)


class Comparisons:
    """The last few comparisons: another page of flips or another rule reads no run again. At most `KEPT_SECONDS` old,
    so that runs still being made show up."""

    def __init__(self, store: RunReader) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, Compared]] = {}

    def get(self, query: RegressionQuery) -> Compared:
        """Raises what `regression.compare` does."""
        key = (query.baseline, query.candidate)
        with self._lock:  # who asks for the same waits for the one answer
            now = time.monotonic()
            fresh = {known: item for known, item in self._kept.items() if now - item[0] < KEPT_SECONDS}
            self._kept = dict(list(fresh.items())[-KEPT:])
            if key not in self._kept:
                compared = regression.compare(self.store, *key)
                self._kept[key] = (time.monotonic(), compared)
            return self._kept[key][1]
