"""Why a case failed: what its answer rests on, beside the nearest run that passed; failures_why.js draws it."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.registry import METHODS
from headscope.analysis.statistics.flip_evidence import POSITION, order
from headscope.analysis.types import Attribution
from headscope.dashboard import links
from headscope.dashboard.covered import hidden
from headscope.dashboard.text import in_line
from headscope.dashboard.units import percent
from headscope.jobs.siblings import Sibling, nearest_passing
from headscope.storage.interfaces import RunReader
from headscope.storage.rows import RunDetail
from headscope.storage.rows.offensive import PROMPT

NO_SIBLING = "No run of the same experiment, model and prompt set passed this detector."


@dataclass(frozen=True, slots=True)
class Strip:
    """The tokens of a run with the scores of one method, NaN where it has none. says: the model's next token. missing:
    why there are no scores."""

    href: str
    title: str
    method: str
    tokens: tuple[str, ...]
    scores: tuple[float, ...]
    says: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    """strips: the case's, then its sibling's. said: which sibling it is, or why there is none. links: text and address
    of where to look on."""

    strips: tuple[Strip, ...]
    said: str
    links: tuple[tuple[str, str], ...]


def read(store: RunReader, run_id: str, detector: str) -> Why:
    """Raises UnknownNameError for a run that is not there."""
    case = store.run(run_id)
    sibling = nearest_passing(store, run_id, detector)
    if sibling is None:
        return Why((_strip(store, case, "This case", ""),), NO_SIBLING, ())
    other = store.run(sibling.run_id)
    method = _common(case, other)
    strips = (_strip(store, case, "This case", method), _strip(store, other, "Nearest run that passed", method))
    ways = [("Compare both", links.compare((run_id, sibling.run_id)))]
    if method:
        ways.append(("Scores side by side", links.compare_scores(run_id, sibling.run_id, method)))
    if not _covers(store, run_id) and not _covers(store, sibling.run_id):  # the address holds both texts
        row = case.row
        given = {"target": row.target or "", "foil": row.foil or "", "model": row.model}
        ways.append(("Why, with live interventions", links.patching(other.row.text, row.text, **given)))
    return Why(strips, _said(sibling), tuple(ways))


def _said(sibling: Sibling) -> str:
    which = "The other prompt of its pair" if sibling.own_pair else "The prompt with the fewest edits"
    among = f"the first {sibling.looked:,} of {sibling.of:,}" if sibling.looked < sibling.of else f"all {sibling.of:,}"
    return f"{which} (edits: {percent(sibling.distance)} of the longer text), among {among} that passed."


def _usable(run: RunDetail) -> list[Attribution]:
    if run.trace is None:
        return []
    found = (item for item in run.attributions if item.axes == POSITION and item.error is None)
    return sorted(found, key=order)


def _common(case: RunDetail, other: RunDetail) -> str:
    """The method whose scores both have, "" for none."""
    there = {item.method for item in _usable(other)}
    return next((item.method for item in _usable(case) if item.method in there), "")


def _strip(store: RunReader, run: RunDetail, title: str, method: str) -> Strip:
    offends = hidden(store.offensive([run.row.id])).get(run.row.id, {})
    address, says = links.run(run.row.id), "" if offends else run.row.next_token or ""
    found = next((item for item in _usable(run) if not method or item.method == method), None)
    if PROMPT in offends:
        return Strip(address, title, "", (), (), "", "Its text is covered: it is offensive.")
    if found is None or run.trace is None:
        return Strip(address, title, "", (), (), says, "No method has scores over its tokens.")
    tokens = tuple(map(in_line, run.trace.tokens.texts))
    label = METHODS[found.method].label if found.method in METHODS else found.method
    return Strip(address, title, label, tokens, tuple(map(float, found.scores)), says)


def _covers(store: RunReader, run_id: str) -> bool:
    return PROMPT in hidden(store.offensive([run_id])).get(run_id, {})
