"""The run nearest to a failure in which the same detector found nothing."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.blackbox.distances import edit_distances
from headscope.storage.interfaces import RunReader

MOST = 500
"""Passing runs whose texts are held against the failure's."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """own_pair: it is of the failure's own pair. distance: Levenshtein distance of the texts over the length of the
    longer, 0 to 1. looked, of: how many passing runs were looked at, and how many there are."""

    run_id: str
    own_pair: bool
    distance: float
    looked: int
    of: int


def nearest_passing(store: RunReader, run_id: str, detector: str) -> Sibling | None:
    """Of the same experiment, model and prompt set: a run of the failure's own pair before others, then the text that
    takes the fewest edits; None where the detector passed no run. Raises UnknownNameError for a run that is not there.
    """
    (mine,) = store.runs([run_id]) or (None,)
    found, total = store.passing_runs(run_id, detector, MOST)
    if mine is None or not found:
        return None
    pair = [row for row in found if row.pair_id is not None and row.pair_id == mine.pair_id]
    among = pair or list(found)
    distances = edit_distances([row.text for row in among], mine.text)
    best = int(distances.argmin())
    return Sibling(among[best].run_id, bool(pair), float(distances[best]), len(found), total)
