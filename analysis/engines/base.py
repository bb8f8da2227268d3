"""What every engine offers. Torch-free: the process that serves pages imports this and `local` only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from analysis.types import LiveRequest, LiveResult, ModelInfo, Prompt, RunResult, RunSpec


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request after its model was loaded and its prompts tokenised.

    keys: one `result_key` per prompt of the spec, in order. batches: indexes into the prompts, each a batch of similar
    length; together they hold every index once.
    """

    info: ModelInfo
    keys: tuple[str, ...]
    batches: tuple[tuple[int, ...], ...]


class Engine(Protocol):
    """Runs analyses. Every method blocks, and raises HeadscopeError with a message fit for a user."""

    def prepare(self, spec: RunSpec, batch_size: int) -> Prepared:
        """Load the model and plan the batches."""

    def run_batch(self, spec: RunSpec, prompts: Sequence[Prompt]) -> list[RunResult]:
        """Results in the order of `prompts`; a bad prompt gives a failed result, never an exception."""

    def live(self, request: LiveRequest) -> LiveResult:
        """One typed prompt, nothing stored."""

    def close(self) -> None:
        """Free models and processes; the engine may not be used afterwards."""
