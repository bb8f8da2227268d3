"""Which experiments have runs that a page is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

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
Exists = sa.ColumnElement[bool]


class SubjectReader:
    """The part of `headscope.storage.interfaces.RunReader` that says which experiments a page can offer."""

    engine: Engine
    _counts: counts.Counts

    def experiments_with(self, subject: str) -> frozenset[str]:
        """See `RunReader.experiments_with`."""
        if subject not in SUBJECTS:
            raise UnknownNameError("subject", subject, SUBJECTS)
        query = sa.select(experiments.c.name).where(SUBJECTS[subject]())
        with session.reading(self.engine) as connection:

            def found() -> frozenset[str]:
                return frozenset(connection.execute(query).scalars())

            if subject in ADDED_LATER:
                return found()
            return self._counts.get(("subject", subject), counts.version(connection), found)


def _runs(*clauses: Exists, of: sa.Table | None = None) -> Exists:
    """A succeeded run of the experiment that fits, with a row in the table `of` where one is given."""
    mine = (R.experiment_id == experiments.c.id, R.status == RunStatus.SUCCEEDED.value, *clauses)
    source = runs if of is None else of.join(runs, R.id == of.c.run_id)
    return sa.exists(sa.select(sa.literal(1)).select_from(source).where(*mine).correlate(experiments))


def _found(*probes: str) -> Exists:
    return _runs(P.probe.in_(probes), of=probe_results)


def _measured() -> Exists:
    known: list[sa.Column[Any]] = [R.mean_surprisal, R.next_entropy, R.next_token_prob, R.target_logprob, R.target_rank]
    return sa.or_(_runs(sa.or_(*(column.isnot(None) for column in known))), _found("self_consistency"))


def _heads() -> Exists:
    mine = head_sums.c.experiment_id == experiments.c.id
    return sa.exists(sa.select(sa.literal(1)).select_from(head_sums).where(mine).correlate(experiments))


SUBJECTS: dict[str, Callable[[], Exists]] = {
    "pairs": lambda: _runs(R.pair_id.isnot(None), R.group_name.isnot(None)),
    "scores": lambda: _runs(of=toxicity_scores),
    "measures": _measured,
    "detections": lambda: _runs(P.label.in_((PASSED, *SEVERITIES)), of=probe_results),
    "attributions": lambda: _runs(of=attributions),
    "heads": _heads,
    "blackbox": lambda: _found(*BLACKBOX),
}
