"""Who has a request's attributions computed once more, from the same embeddings or from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from headscope.analysis.interfaces import Capture, LoadedMethod, WhiteBoxBackend
from headscope.analysis.types import Attribution, Target, TokenizedText
from headscope.analysis.workspace import Workspace


class Asker(Protocol):
    """What a request explains, a prompt each. Answers have scores that the removal test can rank, or none."""

    @property
    def backend(self) -> WhiteBoxBackend:
        """The model."""

    def prompt(self, index: int) -> tuple[TokenizedText, Tensor]:
        """A prompt with its embeddings `[T, d]`."""

    def again(self, name: str, method: LoadedMethod) -> list[Attribution]:
        """The method's answers for all prompts."""

    def anew(
        self, name: str, method: LoadedMethod, owners: Sequence[int], inputs: Sequence[Tensor]
    ) -> list[Attribution]:
        """Its answers for prompts `owners`, in passes of their own; inputs: for each `[T, d]`, in the place of its
        prompt's embeddings."""


@dataclass(frozen=True, slots=True)
class NextTokens:
    """One next token of each prompt of a workspace."""

    work: Workspace
    targets: Sequence[Target]

    @property
    def backend(self) -> WhiteBoxBackend:
        """See `Asker`."""
        return self.work.backend

    def prompt(self, index: int) -> tuple[TokenizedText, Tensor]:
        """See `Asker`."""
        text = self.work.texts[index]
        return text, self.work.embeddings[index, : len(text)]

    def again(self, name: str, method: LoadedMethod) -> list[Attribution]:
        """See `Asker`; what the request has computed is used again."""
        return method.method.attribute(self.work, self.targets, method.params)

    def anew(
        self, name: str, method: LoadedMethod, owners: Sequence[int], inputs: Sequence[Tensor]
    ) -> list[Attribution]:
        """See `Asker`."""
        work = self.work
        embeddings = with_inputs(work.embeddings[list(owners)], inputs)
        texts, positions = [work.texts[i] for i in owners], [int(work.positions[i]) for i in owners]
        rows = Workspace(work.backend, texts, capture_for(method), positions, embeddings)
        rows.partners = tuple(work.partners[i] for i in owners) if work.partners else ()
        return method.method.attribute(rows, [self.targets[i] for i in owners], method.params)


def with_inputs(embeddings: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    """Embeddings `[B, T, d]` with those of the first tokens of each replaced by its `[t, d]`."""
    found = embeddings.clone()
    for row, mine in zip(found, inputs, strict=True):
        row[: len(mine)] = mine
    return found


def capture_for(method: LoadedMethod) -> Capture:
    """What the shared pass keeps for one method."""
    needs = method.needs
    return Capture(needs.attention, gradients=needs.gradients, attention_gradients=needs.attention_gradients)
