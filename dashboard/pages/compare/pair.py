"""The two runs of a comparison as one value, aligned, and the sentence to show when they cannot be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from headscope.analysis.alignment import Range
from headscope.analysis.attribution.results import position_scores
from headscope.analysis.types import Attribution, TokenTrace
from headscope.dashboard.pages.compare.facts import Tokenizers, missing, tokenizers
from headscope.dashboard.pages.compare.numbers import Unit, units
from headscope.dashboard.pages.compare.query import CompareQuery
from headscope.storage.rows import RunDetail


@dataclass(frozen=True, slots=True)
class Pair:
    """Two stored runs."""

    a: RunDetail
    b: RunDetail

    @property
    def same_model(self) -> bool:
        """The same weights on both sides."""
        return self.a.model.ref.weights_sha256 == self.b.model.ref.weights_sha256

    @property
    def same_shape(self) -> bool:
        """The same number of layers and heads."""
        a, b = self.a.model, self.b.model
        return (a.n_layers, a.n_heads) == (b.n_layers, b.n_heads)

    @property
    def tokenizers(self) -> Tokenizers:
        """Whether token ids mean the same."""
        return tokenizers(self.a, self.b)

    def gaps(self, what: str, field: str) -> list[str]:
        """Sentences for the sides that lack `field` (None or empty); empty when both have it."""
        sides = (("A", self.a), ("B", self.b))
        return [missing(name, run, what) for name, run in sides if not _present(getattr(run, field))]


@dataclass(frozen=True, slots=True)
class Aligned:
    """Two traces and the units both are looked at in."""

    a: TokenTrace
    b: TokenTrace
    units: tuple[Unit, ...]

    @property
    def ranges_a(self) -> list[Range]:
        """Token ranges of A, one per unit."""
        return [unit.a for unit in self.units]

    @property
    def ranges_b(self) -> list[Range]:
        """Token ranges of B, one per unit."""
        return [unit.b for unit in self.units]

    @property
    def grouped(self) -> bool:
        """Whether some unit holds several tokens, so that numbers are pooled."""
        return any(end - start > 1 for start, end in [*self.ranges_a, *self.ranges_b])


def aligned(pair: Pair) -> Aligned | None:
    """The aligned traces, None when a run has none."""
    a, b = pair.a.trace, pair.b.trace
    return Aligned(a, b, units(a.tokens, b.tokens)) if a is not None and b is not None else None


def methods(pair: Pair) -> list[str]:
    """Methods of either run with a score per token, or that failed; those of both first."""
    a, b = ([item.method for item in run.attributions if item.error is not None or position_scores(item) is not None]
            for run in (pair.a, pair.b))  # fmt: skip
    return [*(name for name in a if name in b), *(name for name in a if name not in b),
            *(name for name in b if name not in a)]  # fmt: skip


def attribution(run: RunDetail, method: str) -> Attribution | None:
    """The run's attribution by `method`, layers and heads reduced to one score per token where it has tokens."""
    item = next((item for item in run.attributions if item.method == method), None)
    scores = None if item is None else position_scores(item)
    return item if item is None or scores is None else replace(item, scores=scores, axes=("position",))


def head(query: CompareQuery, pair: Pair, default: tuple[int, int] = (0, 0)) -> tuple[tuple[int, int], tuple[int, int]]:
    """The heads shown (layer, head) of A and of B, inside their models. B follows A unless it is set."""
    la, ha = query.la if query.la is not None else default[0], query.ha if query.ha is not None else default[1]
    lb, hb = query.lb if query.lb is not None else la, query.hb if query.hb is not None else ha
    a, b = pair.a.model, pair.b.model
    return (min(la, a.n_layers - 1), min(ha, a.n_heads - 1)), (min(lb, b.n_layers - 1), min(hb, b.n_heads - 1))


def _present(value: Any) -> bool:
    return value is not None and value != ()
