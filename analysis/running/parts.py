"""Optional parts of a run: one that fails leaves the others, and says why it is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from headscope.analysis.counts import plural
from headscope.analysis.errors import NotApplicable, message
from headscope.analysis.types import MissingPart, RunResult

T = TypeVar("T")
NOT_APPLICABLE, FAILED, BUDGET = "not_applicable", "part", "budget"
TOLD = 3
"""So many reasons are told of each part."""
KEPT = 50
"""So many different ones are counted; a job may have a million prompts, each with its own."""
OTHER = ""


class Parts:
    """Tries the parts of one batch and remembers what is `missing` from each of its prompts."""

    def __init__(self, n_prompts: int) -> None:
        self._n_prompts = n_prompts
        self.missing: list[MissingPart] = []

    def attempt(self, part: str, compute: Callable[[], T]) -> T | None:
        """What `compute` gives, or None when it cannot be had.

        What a model has not (NotApplicable) is missing from the whole batch; any other failure may be one prompt's
        fault, so that of a batch of several is raised again, for the caller to try its prompts one by one.
        """
        try:
            return compute()
        except NotApplicable as error:
            self.missing.append(MissingPart(part, NOT_APPLICABLE, error.reason))
        except Exception as error:  # whatever one part raises must not take the others with it
            if self._n_prompts > 1:
                raise
            self.missing.append(MissingPart(part, FAILED, message(error)))
        return None

    def leave_out(self, part: str, reason: str) -> None:
        """A part that the budget has no room for."""
        self.missing.append(MissingPart(part, BUDGET, reason))


class Tally:
    """Which parts and methods runs lack and why, counted over the batches of a job."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {}

    def add(self, results: Iterable[RunResult]) -> None:
        """Count what these lack."""
        for result in results:
            lacking = {part.part: part.reason for part in result.missing}
            lacking |= {item.method: item.error for item in result.attributions if item.error is not None}
            for name, reason in lacking.items():
                reasons = self._found.setdefault(name, Counter())
                reasons[reason if reason in reasons or len(reasons) < KEPT else OTHER] += 1

    def sentences(self) -> tuple[str, ...]:
        """From how many prompts a part or method is missing, and why; several reasons with the number of prompts that
        have them, the most frequent first. One for all those that are missing alike."""
        alike: dict[tuple[int, str], list[str]] = {}
        for name, reasons in self._found.items():
            alike.setdefault((reasons.total(), _why(reasons)), []).append(name)
        return tuple(
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing from {plural(count, 'prompt')}: {why}"
            for (count, why), names in alike.items()
        )


def _why(reasons: Counter[str]) -> str:
    if len(reasons) == 1:
        return next(iter(reasons))
    said = [item for item in reasons.most_common(TOLD + 1) if item[0] != OTHER][:TOLD]
    rest = reasons.total() - sum(count for _, count in said)
    others = [f"{plural(rest, 'prompt')} for other reasons"] if rest else []
    return "; ".join([*(f"{count} × {reason.removesuffix('.')}" for reason, count in said), *others])
