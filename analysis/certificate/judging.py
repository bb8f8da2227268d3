"""From two tensors that should be the same to a check that passed or failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from headscope.analysis.certificate.reference import Plain, load_plain
from headscope.analysis.errors import NotApplicable, message
from headscope.analysis.interfaces import Capture, ForwardResult, TokenBatch, WhiteBoxBackend
from headscope.analysis.types import TokenizedText
from headscope.analysis.types.certificate import FAILED, NOT_APPLICABLE, PASSED, ModelCheck

TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""The most that two computations of the same thing may differ, as a share of the largest value (docs/methods.md)."""


@dataclass(eq=False)
class Subject:
    """A loaded model under its check: a few prompts of different lengths and what is computed of them once.

    eq=False and no slots: the cached passes live in it.
    """

    backend: WhiteBoxBackend
    texts: tuple[TokenizedText, ...]
    _plain: dict[str, Plain] = field(default_factory=dict)
    _alone: dict[int, Tensor] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The architecture, for sentences."""
        return self.backend.info.architecture

    @property
    def tolerance(self) -> float:
        """By dtype."""
        return TOLERANCES[self.backend.info.ref.dtype]

    @cached_property
    def batch(self) -> TokenBatch:
        """All prompts, padded."""
        return self.backend.batch(self.texts)

    @cached_property
    def longest(self) -> TokenBatch:
        """The longest prompt alone."""
        return self.backend.batch([max(self.texts, key=len)])

    def alone(self, row: int) -> Tensor:
        """Logits `[T, V]` of one prompt alone, from a plain pass of ours."""
        if row not in self._alone:
            self._alone[row] = self.backend.forward(self.backend.batch([self.texts[row]]), Capture()).logits[0]
        return self._alone[row]

    @cached_property
    def captured(self) -> ForwardResult:
        """The longest prompt with everything this model shows."""
        return self.backend.forward(self.longest, Capture(attention=self.shows_attention, residuals=True))

    @property
    def shows_attention(self) -> bool:
        """Whether any layer has weights to read."""
        seen = self.backend.capabilities
        return seen.attention or bool(seen.attention_layers)

    def plain(self, attention: str) -> Plain:
        """transformers' own model of the same folder, loaded once for each attention implementation; NotApplicable
        for a backend that does not compute what its folder says."""
        info = self.backend.info
        if info.ref.backend != "hf_causal":
            raise NotApplicable(f"the backend {info.ref.backend} makes another model of what it loads")
        if attention not in self._plain:
            self._plain.clear()  # one at a time: it takes the memory of the model once more
            device = next(self.backend.model.parameters()).device
            self._plain[attention] = load_plain(Path(info.path), info.ref.dtype, str(device), attention)
        return self._plain[attention]

    def real(self, values: Tensor) -> list[Tensor]:
        """Of `[B, T, ...]` each prompt's own positions."""
        return [row[: len(text)] for row, text in zip(values, self.texts, strict=True)]

    def judged(
        self, name: str, pairs: Sequence[tuple[Tensor, Tensor]], what: str, tolerance: float | None = None
    ) -> ModelCheck:
        """Passed where every found tensor is the expected one within the tolerance, as a share of its largest value."""
        limit = self.tolerance if tolerance is None else tolerance
        return by_error(name, max((_difference(*pair) for pair in pairs), default=math.nan), limit, what)


def by_error(name: str, error: float, tolerance: float, what: str) -> ModelCheck:
    """Passed where `error` is within `tolerance`; NaN fails. `what`: the sentence without its verdict."""
    if error <= tolerance:
        return ModelCheck(name, PASSED, f"{what}.", error, tolerance)
    told = (
        f"off by {error:.2g} of the largest value, where {tolerance:.0e} is allowed"
        if math.isfinite(error)
        else "other shapes, or no numbers"
    )
    return ModelCheck(name, FAILED, f"should hold and does not ({told}): {what}.", error, tolerance)


def attempted(name: str, make: Callable[[], ModelCheck]) -> ModelCheck:
    """The check, or why it could not be made: what the model cannot show is not applicable, anything else failed."""
    try:
        return make()
    except NotApplicable as error:
        return ModelCheck(name, NOT_APPLICABLE, str(error))
    except Exception as error:  # whatever a wrong model raises is what the check is for
        return ModelCheck(name, FAILED, f"could not be computed: {message(error).splitlines()[0]}")


def _difference(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        return math.inf
    found, expected = found.detach().float().cpu(), expected.detach().float().cpu()
    size = torch.nan_to_num(expected, neginf=0.0, posinf=0.0).abs().max().clamp_min(1e-6)
    same = (found == expected) | (found.isnan() & expected.isnan())  # -inf of a token that cannot follow
    return float(torch.where(same, 0.0, (found - expected).abs()).max() / size)
