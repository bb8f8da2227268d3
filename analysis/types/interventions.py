"""A prompt with parts of the model switched off, scaled or taken from another prompt: request and answer. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from headscope.analysis import bounds
from headscope.analysis.errors import InputError
from headscope.analysis.types.attributions import Attribution, Target
from headscope.analysis.types.models import ModelInfo
from headscope.analysis.types.tokens import TokenizedText

PARTS: dict[str, str] = {
    "head": "one head's output, before the attention's output projection",
    "attention": "what the layer's attention adds to the residual stream",
    "mlp": "what the layer's MLP adds to the residual stream",
    "layer": "what the layer's attention and MLP add to the residual stream",
    "residual": "the residual stream that the layer reads; behind the last layer, what the final norm reads",
}
"""What can be changed, and how to say it to people."""
CHANGES: dict[str, str] = {
    "zero": "nothing takes its place",
    "mean": "its mean over the positions of the prompt as it is takes its place",
    "scale": "it is multiplied by a factor",
    "patch": "what it is in the other prompt, at the position that belongs to it, takes its place",
}
MOST_INTERVENTIONS = 64
MOST_FACTOR = 100.0
_CODE = re.compile(r"([a-z]+):(\d{1,6})(?:\.(\d{1,6}))?(?:@(\d{1,6}))?:([a-z]+)(?::([^:]+))?", re.ASCII)
_FORM = "PART:LAYER:CHANGE, as head:5.3:zero, mlp:4:scale:0.5, layer:7:mean or residual:6@4:patch"


@dataclass(frozen=True, slots=True)
class Intervention:
    """One change of one part of the model. layer, head (of the part `head`, else None) and position count from 0;
    without a position every position is changed. factor: of the change `scale`, 1 for the others."""

    part: str
    layer: int
    change: str
    head: int | None = None
    position: int | None = None
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Raises InputError, kind `intervention`, for one that no model has."""
        if self.part not in PARTS:
            raise _bad(f"{bounds.shown(self.part)} is no part of a model: it can be {', '.join(PARTS)}.")
        if self.change not in CHANGES:
            raise _bad(f"{bounds.shown(self.change)} is no change: it can be {', '.join(CHANGES)}.")
        if self.part == "head" and self.head is None:
            raise _bad("a head has a layer and a number: write head:5.3 for head 3 of layer 5.")
        if self.part != "head" and self.head is not None:
            raise _bad(f"{self.part} has no heads: write {self.part}:{self.layer}, or head:{self.layer}.{self.head}.")
        if not abs(self.factor) <= MOST_FACTOR:
            raise _bad(f"a factor lies between -{MOST_FACTOR:g} and {MOST_FACTOR:g}, and this one is {self.factor:g}.")

    @property
    def code(self) -> str:
        """How links, requests and capsules write it; `parse` reads it."""
        head = "" if self.head is None else f".{self.head}"
        position = "" if self.position is None else f"@{self.position}"
        factor = ":" + repr(float(self.factor)).removesuffix(".0") if self.change == "scale" else ""
        return f"{self.part}:{self.layer}{head}{position}:{self.change}{factor}"

    @classmethod
    def parse(cls, code: str) -> Self:
        """Inverse of `code`. Raises InputError, kind `intervention`."""
        found = _CODE.fullmatch(code)
        if found is None:
            raise _bad(f"{bounds.shown(code)} is no intervention: write {_FORM}.")
        part, layer, head, position, change, factor = found.groups()
        if (change == "scale") != (factor is not None):
            raise _bad(f"{bounds.shown(code)} is no intervention: scale has a factor, as in scale:0.5, and only scale.")
        return cls(part, int(layer), change, _whole(head), _whole(position), 1.0 if factor is None else _number(factor))


def of_a_run(codes: Iterable[str]) -> tuple[Intervention, ...]:
    """The interventions of a stored run. Raises InputError, kind `intervention`, for a code that is none, for too many,
    and for a patch, which takes from a second prompt."""
    made = tuple(map(Intervention.parse, codes))
    if patch := next((one for one in made if one.change == "patch"), None):
        raise _bad(f"{patch.code} takes from another prompt, and a run is of one: the link of the Why page keeps both.")
    if len(made) > MOST_INTERVENTIONS:
        raise _bad(f"{len(made)} interventions are more than the {MOST_INTERVENTIONS} of one run.")
    return made


@dataclass(frozen=True, slots=True)
class InterventionRequest:
    """`text` with `interventions`, made in their order. Explained is the log-probability (nats) of `target` (default:
    the model's own top-1 token), or of target minus `foil`. source: the prompt that `patch` takes from. parts: what
    every head and MLP adds to the explained logit is wanted too."""

    model: str
    text: str
    target: str | None = None
    foil: str | None = None
    source: str | None = None
    interventions: tuple[Intervention, ...] = ()
    parts: bool = False

    def __post_init__(self) -> None:
        """Raises InputError, kind `intervention`, for too many, and for a patch without a source."""
        if len(self.interventions) > MOST_INTERVENTIONS:
            raise _bad(
                f"{len(self.interventions)} interventions are more than the {MOST_INTERVENTIONS} of one request."
            )
        if self.source is None and (patch := next((i for i in self.interventions if i.change == "patch"), None)):
            raise _bad(
                f"{patch.code} takes an activation from another prompt, and there is none: write a second prompt."
            )


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model says after the prompt: log-probabilities (nats) and ranks (1 = top) of target and foil (NaN and -1
    without a foil), and the explained quantity."""

    value: float
    logprob: float
    rank: int
    foil_logprob: float
    foil_rank: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A next token and its probability before and after."""

    text: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class InterventionResult:
    """The prompt as it is and with its interventions, from one batched pass.

    candidates: the ten likeliest next tokens of either, likeliest first. kl: KL(before || after) of the next token
    (nats), infinite where a token that was possible before has no probability after.
    aligned: (position in source, position in text) of activations that belong together; empty without a source.
    parts: direct logit attribution of the prompt as it is, scores `[layer, component]`; None when it was not asked for
    or the model has none, with the reason in `no_parts`.
    """

    request: InterventionRequest
    info: ModelInfo
    text: TokenizedText
    source: TokenizedText | None
    target: Target
    before: Reading
    after: Reading
    candidates: tuple[Candidate, ...]
    kl: float
    aligned: tuple[tuple[int, int], ...]
    parts: Attribution | None
    no_parts: str
    seconds: float


def _whole(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _bad(f"{bounds.shown(text)} is no number, and scale takes a factor: scale:0.5.") from None


def _bad(message: str) -> InputError:
    return InputError(message, "intervention")
