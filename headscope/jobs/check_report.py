"""What flipped between two experiments, in lines of text with links, and the whole as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headscope.analysis.counts import plural
from headscope.analysis.statistics.flip_evidence import FlipEvidence
from headscope.analysis.statistics.regression import Flip
from headscope.jobs.check_junit import junit
from headscope.jobs.regression import FLIPPED, Checked, Evidence

LONGEST = 60


def link(flip: Flip, server: str) -> str:
    """Both runs side by side."""
    return f"{server}/compare?a={flip.baseline_run}&b={flip.candidate_run}"


def flip_lines(flips: Sequence[Flip], server: str, evidence: Evidence) -> Iterator[str]:
    """Lines for each flip: what changed, where to look, and what changed inside where that was read."""
    for flip in flips:
        text = flip.text if len(flip.text) <= LONGEST else f"{flip.text[:LONGEST]}…"
        yield f"{flip.kind}: {text!r} {flip.baseline!r} → {flip.candidate!r}"
        yield f"  {link(flip, server)}"
        if (read := evidence.get((flip.baseline_run, flip.candidate_run))) is not None:
            yield from (f"  {line}" for line in evidence_lines(read))


def evidence_lines(read: FlipEvidence) -> Iterator[str]:
    """Which tokens' scores and which heads moved most."""
    if read.tokens:
        yield f"tokens by {read.method}: " + ", ".join(
            f"{shift.token!r} {shift.baseline:+.2f} → {shift.candidate:+.2f}" for shift in read.tokens
        )
    if read.heads:
        yield f"heads by {read.heads_by}: " + ", ".join(
            f"{shift.layer}.{shift.head} {shift.statistic} {shift.baseline:.2f} → {shift.candidate:.2f}"
            for shift in read.heads
        )


def report(checked: Checked, server: str) -> Iterator[str]:
    """Everything that flipped, the furthest fall first, with links; and where the states part."""
    found = checked.compared.found
    yield f"{plural(found.n, 'prompt')} in both"
    yield found.states.said()
    for name, title in FLIPPED.items():
        if flips := getattr(found, name):
            yield f"{title}: {len(flips)}"
            yield from flip_lines(flips, server, checked.evidence)


def as_junit(checked: Checked, server: str) -> str:
    """The verdicts as JUnit XML, with the report in its output."""
    title = f"{checked.compared.baseline} to {checked.compared.candidate}"
    return junit(title, checked.verdicts, report(checked, server))
