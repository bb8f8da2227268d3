"""The tables of the pages that set models and runs beside each other, as frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headscope.analysis.errors import InputError, UnknownNameError
from headscope.dashboard.links import MOST_COMPARED
from headscope.notebook.tables import Tables, newest_said, shape_of
from headscope.storage.handle import Frame
from headscope.storage.notebook import where_of
from headscope.storage.rows.models import Sides

if TYPE_CHECKING:
    from headscope.dashboard.pages.compare.across_measures import Many
    from headscope.dashboard.pages.compare.runs import RecentRuns


class Beside(Tables):
    """`conditions` on runs are as in `runs`."""

    def heads_beside(self, first: str, second: str, statistic: str = "previous_token", **conditions: Any) -> Frame:
        """A statistic of every head of two models with as many heads, as a model and its fine-tuned one have them: both
        means, the first minus the second, its 95 % interval (Zou and Donner 2008), n.

        Raises UnknownNameError for a statistic that either lacks, InputError for models that cannot be compared so.
        """
        from headscope.dashboard.pages.heads.beside import COLUMNS, difference, of_difference

        found = {heads.model: heads for heads in self.head_maps(**conditions)}
        for name in (first, second):
            if name not in found:
                raise UnknownNameError("model", name, tuple(found), "No head of it was measured in these runs.")
            if statistic not in found[name].stats:
                raise UnknownNameError("statistic", statistic, tuple(found[name].stats), f"{name} has no other.")
        apart = None if first == second else difference([found[first], found[second]], statistic)
        if apart is None:
            raise InputError(
                f"{statistic} of {first} and {second} cannot be compared head by head: that takes two models with as "
                "many heads, of which it was measured alike."
            )
        names = ("first_model", "second_model", "statistic", "quantity", "params")
        shape = shape_of(COLUMNS, texts=names, whole=("layer", "head", "first_n", "second_n"))
        return self._said(of_difference(apart), shape, newest_said(apart.first))

    def calibration(
        self, first: str, second: str, *, first_experiment: str = "", second_experiment: str = "", **conditions: Any
    ) -> Frame:
        """Both reliability diagrams behind `models_beside`: a row a bin of each model's stated probabilities, with the
        share that was right and its Wilson interval."""
        from headscope.dashboard.pages.models.rows import COLUMNS, of_bins

        names = named(first, first_experiment, second, second_experiment)
        sides = Sides(first, second, first_experiment, second_experiment, where_of(conditions))
        found = of_bins(names, self.reader.models_beside(sides).cells)
        return self._framed([*found], shape_of(COLUMNS, texts=("model",), whole=("bin", "prompts")))

    def compare(self, run_ids: Sequence[str]) -> Frame:
        """Two to twenty runs beside the first of them, a row each: margin (nats), surprisal (bits per character),
        divergence of what comes next (bits), shares of attribution and attention that moved, where the lens settles.

        Raises InputError for fewer or more, UnknownNameError for one that is not in the store.
        """
        from headscope.dashboard.pages.compare.query import CompareQuery
        from headscope.dashboard.pages.compare.summaries import COLUMNS, summaries, summary_row

        reader, many = self.aligned(run_ids)
        names = ("run", "run_id", "model", "text", "target", "foil", "next_token", "next_token_prob", *COLUMNS)
        found = summaries(reader, CompareQuery(), many)
        return self._framed(
            [summary_row(one) for one in found], shape_of(names, texts=(*names[:7], "divergent"), whole=("words",))
        )

    def compare_words(self, run_ids: Sequence[str], measure: str = "divergence") -> Frame:
        """The same runs word by word of the first, in one measure: `divergence` of what comes next (bits, at least;
        `at_most`), `surprisal` (bits), `attribution`, `attention` of the last token, `lens`."""
        from headscope.dashboard.pages.compare.across_measures import MEASURES
        from headscope.dashboard.pages.compare.query import CompareQuery
        from headscope.dashboard.pages.compare.summaries import WORDS, of_words

        if measure not in MEASURES:
            raise UnknownNameError("measure", measure, MEASURES)
        reader, many = self.aligned(run_ids)
        found = of_words(reader, replace(CompareQuery(), across=measure), many)
        texts = [name for name in WORDS if name not in ("position", "value", "at_most")]
        return self._framed([*found], shape_of(WORDS, texts=texts, whole=("position",)))

    def aligned(self, run_ids: Sequence[str]) -> tuple[RecentRuns, Many]:
        """What `compare` is made of: the runs that have measurements, on the words of the first."""
        from headscope.dashboard.pages.compare.across_measures import aligned_runs
        from headscope.dashboard.pages.compare.runs import RecentRuns

        ids = [*dict.fromkeys(map(str, run_ids))]
        if not 2 <= len(ids) <= MOST_COMPARED:
            raise InputError(f"compare takes 2 to {MOST_COMPARED} different runs, and these are {len(ids)}.")
        reader = RecentRuns(self.reader)
        many = aligned_runs(reader.runs(ids))
        if many is None:
            raise InputError("none of these runs has measurements: each failed, as run(ID) says.")
        return reader, many


def named(first: str, first_experiment: str, second: str, second_experiment: str) -> tuple[str, str]:
    """What two sides are called. Raises InputError where they are the same."""
    one, other = (" · ".join(filter(None, side)) for side in ((first, first_experiment), (second, second_experiment)))
    if one == other:
        raise InputError(f"both sides are {one}: name two models, or one model in two experiments.")
    return one, other
