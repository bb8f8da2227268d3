"""Who has a request's attributions computed once more, from the same embeddings or from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from headscope.analysis.interfaces import Capture, LoadedMethod, WhiteBoxBackend
from headscope.analysis.types import Attribution, Target, TokenizedText
from headscope.analysis.workspace import Workspace


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Prompts `owners` read anew, with other embeddings `[T, d]` of each in the place of its tokens' own."""

    owners: Sequence[int]
    embeddings: Sequence[Tensor]


class Asker(Protocol):
    """What a request explains, a prompt each. Answers have scores that the removal test can rank, or none."""

    @property
    def backend(self) -> WhiteBoxBackend:
        """The model."""

    def prompt(self, index: int) -> tuple[TokenizedText, Tensor]:
        """A prompt with its embeddings `[T, d]`."""

    def again(self, name: str, method: LoadedMethod) -> list[Attribution]:
        """The method's answers for all prompts."""

    def anew(self, name: str, method: LoadedMethod, inputs: Inputs) -> list[Attribution]:
        """Its answers for these inputs, in passes of their own."""


class NextTokens:
    """One next token of each prompt of a workspace. An `Asker`; methods that need the same of the same inputs share the
    passes over them."""

    def __init__(self, work: Workspace, targets: Sequence[Target]) -> None:
        self._work, self._targets = work, targets
        self._last: tuple[Inputs, Capture, Workspace] | None = None  # one is large enough

    @property
    def backend(self) -> WhiteBoxBackend:
        """See `Asker`."""
        return self._work.backend

    def prompt(self, index: int) -> tuple[TokenizedText, Tensor]:
        """See `Asker`."""
        text = self._work.texts[index]
        return text, self._work.embeddings[index, : len(text)]

    def again(self, name: str, method: LoadedMethod) -> list[Attribution]:
        """See `Asker`; what the request has computed is used again."""
        return method.method.attribute(self._work, self._targets, method.params)

    def anew(self, name: str, method: LoadedMethod, inputs: Inputs) -> list[Attribution]:
        """See `Asker`."""
        rows = self._read(inputs, capture_for(method))
        return method.method.attribute(rows, [self._targets[i] for i in inputs.owners], method.params)

    def _read(self, inputs: Inputs, capture: Capture) -> Workspace:
        if self._last is not None and self._last[0] is inputs and self._last[1] == capture:
            return self._last[2]
        self._last = None
        work, owners = self._work, inputs.owners
        texts, positions = [work.texts[i] for i in owners], [int(work.positions[i]) for i in owners]
        embeddings = with_inputs(work.embeddings[list(owners)], inputs.embeddings)
        rows = Workspace(work.backend, texts, capture, positions, embeddings)
        rows.partners = tuple(work.partners[i] for i in owners) if work.partners else ()
        self._last = inputs, capture, rows
        return rows


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
