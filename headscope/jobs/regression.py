"""Has a candidate become worse than a baseline? What `headscope check` and the Regression page say, of stored runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headscope.analysis.errors import InputError
from headscope.analysis.statistics import check_rules, regression
from headscope.analysis.statistics.check_rules import Verdict
from headscope.analysis.statistics.flip_evidence import FlipEvidence, Inside, flip_evidence
from headscope.analysis.statistics.regression import Comparison, Flip
from headscope.jobs import snapshot
from headscope.jobs.parting import parted
from headscope.storage.interfaces import RunReader

FLIPPED = {"broken": "Broken", "failed": "Failed runs", "mended": "Mended"}
LISTED = 10
"""Flips of each kind that are listed, and whose insides are compared."""
Runs = tuple[str, str]
"""Ids of the baseline's and the candidate's run of a prompt."""
Evidence = Mapping[Runs, FlipEvidence]
_FAILED = "the candidate's run failed"
_REPLACED = "one of the two runs has been replaced or removed since"


@dataclass(frozen=True, slots=True)
class Compared:
    """Two experiments held against each other. baseline, candidate: as they were asked for; judge, without: see
    `snapshot.Sides`."""

    baseline: str
    candidate: str
    found: Comparison
    judge: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A comparison judged by the rules `fail_on` ("" for the usual ones). evidence: what changed inside the models, for
    the flips that are listed."""

    compared: Compared
    fail_on: str
    verdicts: tuple[Verdict, ...]
    unmeasured: tuple[str, ...]
    evidence: Evidence = field(default_factory=dict)

    @property
    def regressions(self) -> list[str]:
        """What fails, in words."""
        return [verdict.said for verdict in self.verdicts if verdict.failed]

    @property
    def refusal(self) -> str:
        """Why `headscope check` ends with an error instead of a verdict, "" where it does not."""
        if not self.compared.found.n:
            names = f"{self.compared.baseline} and {self.compared.candidate}"
            return f"{names} have no prompt in common: run the same prompt sets in both."
        if not (self.unmeasured and self.fail_on):
            return ""
        return (
            f"nothing is known about {', '.join(self.unmeasured)} in both experiments, so --fail-on cannot judge it. "
            f"{no_toxicity(self.compared, self.unmeasured)} Bias needs pairs of groups, states the analysis layers."
        )


def compare(store: RunReader, baseline: str, candidate: str) -> Compared:
    """Both experiments prompt by prompt, and where in the layers they part. Raises what `snapshot.observed` does."""
    sides = snapshot.sides(store, baseline, candidate)
    found = regression.compare(sides.baseline, sides.candidate)
    found = replace(found, states=parted(store, sides.baseline, sides.candidate, (baseline, candidate)))
    return Compared(baseline, candidate, found, sides.judge, sides.without)


def judge(compared: Compared, fail_on: str) -> Checked:
    """What the rules say of it. Raises InputError for rules that are none."""
    rules = check_rules.parse(fail_on or ",".join(check_rules.DEFAULT))
    verdicts = check_rules.verdicts(rules, compared.found)
    return Checked(compared, fail_on, tuple(verdicts), tuple(check_rules.unmeasured(rules, compared.found)))


def check(store: RunReader, baseline: str, candidate: str, fail_on: str, *, show_offensive: bool) -> Checked:
    """All of `headscope check`, offensive texts covered unless they are asked for. Raises InputError where the rules
    cannot be judged, and what `compare` does."""
    check_rules.parse(fail_on or ",".join(check_rules.DEFAULT))  # before runs are read
    checked = judge(compare(store, baseline, candidate), fail_on)
    if checked.refusal:
        raise InputError(checked.refusal)
    return written(store, checked, show_offensive=show_offensive)


def written(store: RunReader, checked: Checked, *, show_offensive: bool) -> Checked:
    """The same with the evidence of the flips that a report lists, and without offensive texts."""
    found = checked.compared.found
    listed = [flip for name in FLIPPED for flip in getattr(found, name)[:LISTED]]
    checked = replace(checked, evidence=evidence(store, listed))
    return checked if show_offensive else _covered(checked, store)


def no_toxicity(compared: Compared, missing: Sequence[str]) -> str:
    """What toxicity would take."""
    if compared.without and "toxicity" in missing:
        return (
            f"Toxicity is compared by one classifier only, and {compared.without}: let one judge both, "
            "with `headscope score --experiment NAME --scorer NAME`."
        )
    return "Toxicity needs --max-new-tokens and the analysis toxicity."


def evidence(store: RunReader, flips: Iterable[Flip]) -> dict[Runs, FlipEvidence]:
    """What changed inside the models, by the two runs of each flip."""
    kinds = {(flip.baseline_run, flip.candidate_run): flip.kind for flip in flips}
    insides = store.insides([run_id for runs, kind in kinds.items() if kind != "failed" for run_id in runs])
    return {runs: _evidence(insides, runs, kind) for runs, kind in kinds.items()}


def _evidence(insides: Mapping[str, Inside], runs: Runs, kind: str) -> FlipEvidence:
    if kind == "failed":
        return FlipEvidence(no_tokens=_FAILED, no_heads=_FAILED)
    if not insides.keys() >= set(runs):
        return FlipEvidence(no_tokens=_REPLACED, no_heads=_REPLACED)
    return flip_evidence(*(insides[run_id] for run_id in runs))


def covered(found: Comparison, store: RunReader) -> Comparison:
    """The same without the offensive texts among what flipped."""
    why = store.offensive(_runs(found))

    def cover(flip: Flip) -> Flip:
        parts = {**why.get(flip.baseline_run, {}), **why.get(flip.candidate_run, {})}
        change: dict[str, Any] = {"text": f"[covered: {parts['prompt'].said}]"} if "prompt" in parts else {}
        if "continuation" in parts:
            change |= dict.fromkeys(("baseline", "candidate"), f"[covered: {parts['continuation'].said}]")
        return replace(flip, **change)

    change: dict[str, Any] = {name: tuple(map(cover, getattr(found, name))) for name in FLIPPED}
    return replace(found, **change)


def _runs(found: Comparison) -> list[str]:
    flips = [flip for name in FLIPPED for flip in getattr(found, name)]
    return [run_id for flip in flips for run_id in (flip.baseline_run, flip.candidate_run)]


def _covered(checked: Checked, store: RunReader) -> Checked:
    why = store.offensive([run_id for runs in checked.evidence for run_id in runs])
    hidden = {runs for runs in checked.evidence if any("prompt" in why.get(run_id, {}) for run_id in runs)}
    evidence = {runs: _blotted(item) if runs in hidden else item for runs, item in checked.evidence.items()}
    compared = replace(checked.compared, found=covered(checked.compared.found, store))
    return replace(checked, compared=compared, evidence=evidence)


def _blotted(item: FlipEvidence) -> FlipEvidence:
    return replace(item, tokens=tuple(replace(shift, token="[covered]") for shift in item.tokens))
