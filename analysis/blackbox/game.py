"""What an answer hangs on: the values of coalitions of a prompt's parts, asked for until it is settled which matter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.answers import Answer, begins
from headscope.analysis.blackbox.distances import edit_distances, embedding_distances
from headscope.analysis.blackbox.forced import Forced
from headscope.analysis.blackbox.permutations import Importance, Plan
from headscope.analysis.blackbox.settings import Asker, Settings, question
from headscope.analysis.blackbox.substitutes import stand_ins
from headscope.analysis.sentences import Span

Float64 = NDArray[np.float64]
MEASURES = ("logprob", "edit", "embedding")
MOST_PARTS = 12
"""A prompt of more parts is first cut coarsely, then the parts that matter most are cut finer."""
FINER = 2


@dataclass(frozen=True, slots=True)
class Scores:
    """Importances of the parts of a prompt under one measure, in its unit."""

    measure: str
    importance: Importance
    full: float
    nothing: float


class Game:
    """Values of coalitions of parts: higher is nearer to the answer of the whole prompt.

    coalitions: asked about so far. saved: planned, and not asked. censored: with a bound instead of the target's
    log-probability.
    """

    def __init__(
        self,
        asker: Asker,
        text: str,
        answer: Answer,
        target: str,
        settings: Settings,
        pairs: Mapping[str, str] | None = None,
    ) -> None:
        """pairs: words and their counterparts, for the masking `counterfactual`."""
        self._asker, self._text, self._answer = asker, text, answer
        self._target, self._settings, self._pairs = target, settings, pairs or {}
        self._known = {text: answer}
        self._forced = Forced(asker, settings, target)
        self.coalitions = self.saved = self.censored = 0

    def stand_ins(self, parts: Sequence[Span]) -> list[str | None]:
        """What each part becomes, see `substitutes.stand_ins`."""
        return stand_ins(self._text, parts, self._settings.masking, self._pairs)

    def play_all(self, parts: Sequence[Span]) -> tuple[list[Scores], bool]:
        """As `play`, of every part that can be taken out, in arrays of all: NaN and rank 0 for the others."""
        free = np.array([stand is not None for stand in self.stand_ins(parts)], dtype=np.bool_)
        if not free.any():
            return [], False
        scores, exact = self.play(parts, free)
        return [replace(one, importance=_among(one.importance, free)) for one in scores], exact

    def play(self, parts: Sequence[Span], free: NDArray[np.bool_]) -> tuple[list[Scores], bool]:
        """Scores of the `free` parts `[part]`, the others always there; and whether they are exact."""
        at = np.flatnonzero(free)
        whole = Plan.of(len(at), self._settings.permutations, self._settings.seed, self._settings.temperature > 0)
        scores: list[Scores] = []
        plan, censored = whole, 0
        for plan in whole.rounds() if self._settings.early else [whole]:
            answers = self._answers(parts, at, plan)
            values, censored = self._values(answers)
            scores = [_scores(name, plan, found) for name, found in values.items() if np.isfinite(found).all()]
            if scores and scores[0].importance.settled:
                break
        self.coalitions += len(plan.coalitions)
        self.saved += len(whole.coalitions) - len(plan.coalitions)
        self.censored += censored
        return scores, plan.exact

    def _answers(self, parts: Sequence[Span], at: NDArray[np.intp], plan: Plan) -> list[Answer]:
        """To each coalition of the plan; nothing is asked twice."""
        keep = np.ones((len(plan.coalitions), len(parts)), dtype=np.bool_)
        keep[:, at] = plan.coalitions
        standing = self.stand_ins(parts)
        texts = [units.rebuilt(self._text, parts, row, standing) for row in keep]
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        asked = self._asker.ask([question(text, self._settings, self._target) for text in new])
        self._known.update(zip(new, asked, strict=True))
        if self._settings.forced:
            self._known.update(self._forced.filled(self._known, self._token))
        return [self._known[text] for text in texts]

    @property
    def forced(self) -> int:
        """Questions asked with the target forced, besides the coalitions."""
        return self._forced.asked

    @property
    def _token(self) -> str | None:
        """By the answers in the order in which they were asked for, so that later ones change nothing."""
        return target_token([answer.first or {} for answer in self._known.values()], self._target)

    def _values(self, answers: Sequence[Answer]) -> tuple[dict[str, Float64], int]:
        """By measure; and how many log-probabilities are bounds."""
        texts = [answer.text for answer in answers]
        found, censored = {"edit": -edit_distances(texts, self._answer.text)}, 0
        found["embedding"] = -embedding_distances(texts, self._answer.text)
        told = [answer.first or {} for answer in answers]
        if all(answer.first is not None for answer in answers):
            token = self._token
            values = [target_logprob(first, token) for first in told]
            censored = sum(bound for _, bound in values)
            found["logprob"] = np.array([value for value, _ in values])
        return {name: found[name] for name in MEASURES if name in found}, censored

    def coarse_to_fine(self, words: Sequence[Span]) -> tuple[list[Scores], list[Span], bool]:
        """Chunks of neighbouring words first; then the words of the chunks that matter most, each with the rest of the
        prompt there. A chunk's score stays the sum of its words': what they leave over is shared equally."""
        edges = np.linspace(0, len(words), MOST_PARTS + 1).round().astype(int)
        chunks = [(words[a][0], words[b - 1][1]) for a, b in pairwise(edges)]
        coarse, exact = self.play(chunks, np.ones(len(chunks), dtype=np.bool_))
        if not coarse:
            return [], list(words), exact
        owner = np.repeat(np.arange(MOST_PARTS), np.diff(edges))
        spread = {one.measure: replace(one, importance=_spread(one.importance, owner)) for one in coarse}
        for chunk in np.flatnonzero(coarse[0].importance.rank <= FINER):
            fine, _ = self.play(words, owner == chunk)
            for one in fine:
                if one.measure in spread:
                    whole = spread[one.measure]
                    spread[one.measure] = replace(whole, importance=_refined(whole.importance, one, owner == chunk))
        return list(spread.values()), list(words), False


def _scores(measure: str, plan: Plan, values: Float64) -> Scores:
    whole, none = values[plan.coalitions.all(axis=1)], values[~plan.coalitions.any(axis=1)]
    return Scores(measure, plan.importance(values), float(whole[0]), float(none[0]))


def _among(mine: Importance, free: NDArray[np.bool_]) -> Importance:
    """Importance of the `free` parts `[part]` among all parts."""

    def wide(values: NDArray[Any]) -> NDArray[Any]:
        found = np.full(len(free), np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)
        found[free] = values
        return found

    arrays: dict[str, Any] = {name: wide(getattr(mine, name)) for name in ARRAYS}
    return replace(mine, **arrays)


def _spread(chunk: Importance, owner: NDArray[np.intp]) -> Importance:
    """A chunk's score in equal parts on its words, which all share its rank."""
    size = np.bincount(owner)[owner]
    at = replace(chunk, **{name: getattr(chunk, name)[owner] for name in ARRAYS})
    return replace(at, score=at.score / size, low=at.low / size, high=at.high / size)


ARRAYS = ("score", "low", "high", "rank", "rank_low", "rank_high")


def _refined(whole: Importance, fine: Scores, mine: NDArray[np.bool_]) -> Importance:
    rest = (whole.score[mine].sum() - fine.importance.score.sum()) / mine.sum()
    found = {name: getattr(whole, name).copy() for name in ("score", "low", "high")}
    for name, values in found.items():
        values[mine] = getattr(fine.importance, name) + rest
    return replace(whole, **found)


def target_token(told: Sequence[Mapping[str, float]], target: str) -> str | None:
    """The token whose log-probability stands for the target's: the longest one that begins it (the likeliest of equally
    long ones) in the first answer that tells any; None when none does. One token for a whole study: another one that
    begins the target too, such as the article " A" for " Africa", would be another question."""
    for first in told:
        fits = [token for token in first if begins(token, target)]
        if fits:
            return max(fits, key=lambda token: (len(token.strip()), first[token]))
    return None


def target_logprob(first: Mapping[str, float], token: str | None) -> tuple[float, bool]:
    """Log-probability of a first token, and whether it is only a bound, because the token is not among those told (then
    that of the least likely one told)."""
    if token is not None and token in first:
        return first[token], False
    return (min(first.values()) if first else math.nan), True
