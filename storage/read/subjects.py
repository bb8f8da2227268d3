"""Which experiments have runs that a page is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from headscope.analysis.blackbox.answer_rows import TESTS
from headscope.analysis.errors import UnknownNameError
from headscope.analysis.types import RunStatus
from headscope.analysis.types.findings import PASSED, SEVERITIES
from headscope.storage import session
from headscope.storage.read import counts
from headscope.storage.schema import attributions, experiments, head_sums, probe_results, runs, toxicity_scores

R, P = runs.c, probe_results.c
BLACKBOX = ("perturbation", *TESTS)
ADDED_LATER = {"scores", "detections"}
"""What stored runs get without being written anew: never from memory."""
Clause = sa.ColumnElement[bool]


class SubjectReader:
    """The part of `headscope.storage.interfaces.RunReader` that says which experiments a page can offer."""

    engine: Engine
    _counts: counts.Counts

    def experiments_with(self, subject: str) -> frozenset[str]:
        """See `RunReader.experiments_with`."""
        if subject not in SUBJECTS:
            raise UnknownNameError("subject", subject, SUBJECTS)
        with session.reading(self.engine) as connection:
            if subject in ADDED_LATER:
                return _having(connection, SUBJECTS[subject])
            key, version = ("subject", subject), counts.version(connection)
            return self._counts.get(key, version, lambda: _having(connection, SUBJECTS[subject]))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a succeeded run of an experiment has: it fits `clauses`, with a row in the table `of` where one is given."""

    clauses: tuple[Clause, ...] = ()
    of: sa.Table | None = None

    def experiments(self, among: Sequence[UUID]) -> sa.Select[Any]:
        """Ids of those experiments that have such a run."""
        source = runs if self.of is None else self.of.join(runs, R.id == self.of.c.run_id)
        mine = (R.experiment_id == experiments.c.id, R.status == RunStatus.SUCCEEDED.value, *self.clauses)
        runs_of = sa.select(sa.literal(1)).select_from(source).where(*mine, R.experiment_id.in_(among))
        return sa.select(experiments.c.id).where(sa.exists(runs_of.correlate(experiments)))

    def of_one_each(self, dialect: str) -> sa.Select[Any]:
        """Ids of the experiments of which any one run that succeeded is such a run."""
        assert self.of is not None
        has = sa.exists().where(self.of.c.run_id == R.id, *self.clauses)
        return sa.select(R.experiment_id).where(R.id.in_(_one_each(dialect)), has)


@dataclass(frozen=True, slots=True)
class AddedUp(Subject):
    """The experiment has something that was added up over its runs."""

    def experiments(self, among: Sequence[UUID]) -> sa.Select[Any]:
        """Ids of those experiments that have sums."""
        return sa.select(head_sums.c.experiment_id).where(head_sums.c.experiment_id.in_(among)).distinct()


def _one_each(dialect: str) -> sa.Select[Any]:
    """The id of any succeeded run of each experiment: by an index on PostgreSQL, which would sort them otherwise."""
    mine = runs.alias().c
    succeeded = mine.status == RunStatus.SUCCEEDED.value
    if dialect == "duckdb":
        return sa.select(sa.func.any_value(mine.id)).where(succeeded).group_by(mine.experiment_id)
    one = sa.select(mine.id).where(mine.experiment_id == experiments.c.id, succeeded).limit(1)
    return sa.select(one.scalar_subquery()).select_from(experiments)


def _having(connection: Connection, subjects: Sequence[Subject]) -> frozenset[str]:
    """Names of the experiments that have one of these. Of rows beside the runs one run of each experiment is asked
    first: most have them in all of their runs, and only the others' need be looked through."""
    names = {row.id: row.name for row in connection.execute(sa.select(experiments.c.id, experiments.c.name))}
    found: set[UUID] = set()
    for subject in subjects:
        if subject.of is not None and names.keys() - found:
            found |= set(connection.execute(subject.of_one_each(connection.dialect.name)).scalars())
        if rest := sorted(names.keys() - found):
            found |= set(connection.execute(subject.experiments(rest)).scalars())
    return frozenset(names[key] for key in found)


def _found(*probes: str) -> Subject:
    return Subject((P.probe.in_(probes),), probe_results)


def _measured() -> Subject:
    known: list[sa.Column[Any]] = [R.mean_surprisal, R.next_entropy, R.next_token_prob, R.target_logprob, R.target_rank]
    return Subject((sa.or_(*(column.isnot(None) for column in known)),))


SUBJECTS: dict[str, tuple[Subject, ...]] = {
    "pairs": (Subject((R.pair_id.isnot(None), R.group_name.isnot(None))),),
    "scores": (Subject(of=toxicity_scores),),
    "measures": (_measured(), _found("self_consistency")),
    "detections": (Subject((P.label.in_((PASSED, *SEVERITIES)),), probe_results),),
    "attributions": (Subject(of=attributions),),
    "heads": (AddedUp(),),
    "blackbox": (_found(*BLACKBOX),),
}
