"""The state of the Compare page in its link."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase

from headscope.dashboard.link_state import QueryState, choice, number
from headscope.dashboard.links import MOST_COMPARED


@dataclass(frozen=True, slots=True)
class CompareQuery(QueryState):
    """What a link to the Compare page holds. `more`: further runs, separated by commas. `all` shows what did not change
    as well. `la, ha` is the head of A, and `lb, hb` that of B where it is another one. `scale` of scores: automatic, as
    they are, or shares of the total. `across`: what all runs are compared in, `minus` as a difference from A."""

    a: str = ""
    b: str = ""
    more: str = ""
    all: bool = False
    unit: str = choice("bits", "nats")
    method: str = ""
    scale: str = choice("auto", "raw", "share")
    stat: str = "entropy"
    la: int | None = number(None, low=0)
    ha: int | None = number(None, low=0)
    lb: int | None = number(None, low=0)
    hb: int | None = number(None, low=0)
    across: str = choice("divergence", "surprisal", "attribution", "attention", "lens")
    minus: bool = False

    @property
    def further(self) -> tuple[str, ...]:
        """Ids beside A and B, each once, as many as one page takes."""
        ids = dict.fromkeys(part.strip() for part in self.more.split(","))
        return tuple(id_ for id_ in ids if id_ and id_ not in (self.a, self.b))[: MOST_COMPARED - 2]


def letter(index: int) -> str:
    """A, B, C ... of the runs in the order of the link."""
    return ascii_uppercase[index]
