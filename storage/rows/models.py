"""Two models on the same prompts, counted by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headscope.analysis.statistics.calibration_pairs import Cells
from headscope.analysis.statistics.model_pairs import Moments
from headscope.storage.rows.filters import RunFilter

FLIPS = ("all", "gained", "lost")
"""All prompts on which the models prefer another word; those where only the second prefers the target; the others."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Runs of two models, of an experiment each or ("") of any; `where` holds for both."""

    first: str
    second: str
    first_experiment: str = ""
    second_experiment: str = ""
    where: RunFilter = RunFilter()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class Matched:
    """Prompts by whether both models ran them: with the same id in the set of the same name, the same text, target and
    foil. One of several runs of a model counts, the newest that succeeded.

    both: succeeded on both. failed_first, failed_second, failed_both: run by both, and failed there. changed_first,
    changed_second: the other ran this id with another text, target or foil. only_first, only_second: the other did not
    run this id. older: further runs of these prompts, which do not count.
    """

    both: int
    failed_first: int
    failed_second: int
    failed_both: int
    changed_first: int
    changed_second: int
    only_first: int
    only_second: int
    older: int


@dataclass(frozen=True, slots=True, eq=False)
class ModelsBeside:
    """measured: name of a measure (`storage.read.models.MEASURES`) -> its sums; cells: of the prompts that have a right
    answer."""

    matched: Matched
    measured: Mapping[str, Moments]
    cells: Cells


@dataclass(frozen=True, slots=True)
class Flip:
    """A prompt on which one model prefers the target to the foil and the other the foil. Margins are log P(target) -
    log P(foil) in nats; change: the second's minus the first's. partner: the text of the other prompt of its pair as
    the first model ran it, in the run `partner_run`; "" without one."""

    prompt_set: str
    prompt_key: str
    text: str
    target: str
    foil: str
    group: str | None
    pair_id: str | None
    first_run: str
    second_run: str
    first_margin: float
    second_margin: float
    change: float
    partner: str = ""
    partner_run: str = ""

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs whose texts stand here."""
        return tuple(filter(None, (self.first_run, self.second_run, self.partner_run)))
