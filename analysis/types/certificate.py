"""What a model's own check found: its numbers against transformers' own, and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

CheckStatus = Literal["passed", "failed", "not applicable"]
PASSED: CheckStatus = "passed"
FAILED: CheckStatus = "failed"
NOT_APPLICABLE: CheckStatus = "not applicable"


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """One check, or whether one analysis applies.

    error: the largest difference found, in the unit that `sentence` names; NaN where nothing was compared, as in every
    row about an analysis. tolerance: the most that passes, in the same unit. sentence: what was compared and what came
    of it; of a check that is not applicable, why.
    """

    name: str
    status: CheckStatus
    sentence: str
    error: float = float("nan")
    tolerance: float = float("nan")


@dataclass(frozen=True, slots=True)
class CertificateKey:
    """What a certificate holds for: another of any of these, and the model is checked again."""

    weights_sha256: str
    backend: str
    dtype: str
    device: str
    code_version: str
    packages: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A checked model. `whole`: all checks; else the quick ones of a first load. analyses: of every measurement,
    method and probe whether it applies to this model (passed) or why not."""

    key: CertificateKey
    model: str
    whole: bool
    checks: tuple[ModelCheck, ...]
    analyses: tuple[ModelCheck, ...]
    seconds: float

    @property
    def failed(self) -> tuple[ModelCheck, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == FAILED)

    @property
    def applied(self) -> int:
        """How many checks could be made."""
        return sum(check.status != NOT_APPLICABLE for check in self.checks)

    def summary(self) -> str:
        """`14 of 14 checks passed`, or which failed."""
        n, names = self.applied, ", ".join(check.name for check in self.failed)
        told = f"{n - len(self.failed)} of {n} {'checks' if self.whole else 'quick checks'} passed"
        return f"{told}; failed: {names}" if names else told

    def warnings(self) -> tuple[str, ...]:
        """A sentence for each check that failed."""
        return tuple(f"the check of {self.model} failed: {check.name}: {check.sentence}" for check in self.failed)


def packages_text(versions: Mapping[str, str]) -> str:
    """Versions as the key keeps them: `torch 2.13.0, transformers 5.23.0`."""
    return ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
