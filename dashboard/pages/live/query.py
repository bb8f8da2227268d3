"""The state of the Live page in its link."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.registry import METHODS
from headscope.dashboard.link_state import QueryState, choice, number

METHOD = next(name for name, entry in METHODS.items() if entry.live)
"""What explains the target."""
MAX_LINK_CHARACTERS = 1200


@dataclass(frozen=True, slots=True)
class LiveQuery(QueryState):
    """What a link to the Live page holds. `position`: the token explained, without it the next token. `leave`: what is
    left out at a time; `instead`: what takes its place."""

    model: str = ""
    text: str = ""
    target: str = ""
    foil: str = ""
    position: int | None = number(None, low=1)
    layer: int = number(0, low=0)
    head: int = number(0, low=0)
    view: str = choice("matrix", "links")
    colour: str = choice("surprisal", METHOD)
    unit: str = choice("bits", "nats")
    leave: str = choice("token", "word")
    instead: str = choice("mean", "token", "delete")
    temperature: float = number(0.0, low=0, high=2)
    spaces: bool = False
