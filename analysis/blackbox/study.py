"""One prompt of a model behind an API: which parts matter for the answer, does it hold under harmless edits, and is it
the same every time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.distances import edit_distances, embedding_distances
from headscope.analysis.blackbox.permutations import Importance, Plan
from headscope.analysis.probes.edits import harmless_edits
from headscope.analysis.sentences import Span
from headscope.analysis.types.findings import ProbeResult

Float64 = NDArray[np.float64]
MEASURES = ("logprob", "edit", "embedding")
MOST_PARTS = 12
"""A prompt of more parts is first cut coarsely, then the parts that matter most are cut finer."""
FINER = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """unit: `auto` (words, of long prompts only where it matters), or a kind of part. masking: `delete`, `substitute`.

    permutations: orders per prompt. edits: ask harmless edits. samples: answers drawn at `sample_temperature` to see
    whether they agree, 0 for none.
    """

    unit: str = "auto"
    masking: str = "delete"
    permutations: int = 8
    edits: bool = True
    samples: int = 5
    sample_temperature: float = 1.0
    max_tokens: int = 8
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


class Asker(Protocol):
    """Whoever answers: the client, or anything that can be asked the same way."""

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in order."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Importances of the parts of a prompt under one measure, in its unit."""

    measure: str
    importance: Importance
    full: float
    nothing: float


@dataclass(frozen=True, slots=True)
class Study:
    """target: the answer explained. parts: their spans. scores: by measure, those that could be taken. censored: how
    many coalitions' target was not among the candidates told, so that its log-probability is only an upper bound."""

    answer: Answer
    target: str
    parts: tuple[Span, ...]
    kind: str
    scores: tuple[Scores, ...]
    exact: bool
    censored: int
    coalitions: int
    findings: tuple[ProbeResult, ...]


def question(text: str, settings: Settings) -> Question:
    """The prompt as it is asked."""
    return Question(text, settings.max_tokens, settings.temperature, settings.top_p, settings.seed)


def study(asker: Asker, text: str, target: str | None, settings: Settings) -> Study:
    """Everything about one prompt. Every coalition, edit and sample is one question."""
    answer = asker.ask([question(text, settings)])[0]
    wanted = target or _first(answer)
    kind, parts = cut(text, settings.unit)
    game = _Game(asker, text, answer, wanted, settings)
    if len(parts) > MOST_PARTS and settings.unit == "auto":
        scores, parts, exact, coalitions = game.coarse_to_fine(parts)
    else:
        scores, exact, coalitions = game.play(parts, np.ones(len(parts), dtype=np.bool_))
    findings = [_perturbation(text, parts, scores, exact, coalitions, game.censored, kind, settings)]
    if settings.edits:
        findings.append(invariance(asker, text, answer, settings))
    if settings.samples > 1:
        findings.append(consistency(asker, text, settings))
    return Study(answer, wanted, tuple(parts), kind, tuple(scores), exact, game.censored, coalitions, tuple(findings))


def cut(text: str, unit: str) -> tuple[str, list[Span]]:
    """The kind of parts and their spans."""
    kind = "word" if unit == "auto" else unit
    return kind, units.spans(text, kind)


def most_questions(text: str, settings: Settings) -> int:
    """No study of this prompt asks more than this."""
    pairs = 2 * max(1, (settings.permutations + 1) // 2)

    def game(n: int) -> int:
        noisy = settings.temperature > 0
        return min(2**n, pairs * (n - 1) + 2) if not noisy and n < 30 else pairs * max(n - 1, 0) + 2

    n = len(cut(text, settings.unit)[1])
    coarse = n > MOST_PARTS and settings.unit == "auto"
    played = game(MOST_PARTS) + FINER * game(math.ceil(n / MOST_PARTS)) if coarse else game(n)
    return 1 + played + (4 if settings.edits else 0) + (settings.samples if settings.samples > 1 else 0)


class _Game:
    """Values of coalitions of parts: higher is nearer to the answer of the whole prompt."""

    def __init__(self, asker: Asker, text: str, answer: Answer, target: str, settings: Settings) -> None:
        self._asker, self._text, self._answer = asker, text, answer
        self._target, self._settings = target, settings
        self.censored = 0

    def play(self, parts: Sequence[Span], free: NDArray[np.bool_]) -> tuple[list[Scores], bool, int]:
        """Scores of the `free` parts `[part]`, the others always there; whether exact; how many coalitions."""
        at = np.flatnonzero(free)
        plan = Plan.of(len(at), self._settings.permutations, self._settings.seed, self._settings.temperature > 0)
        keep = np.ones((len(plan.coalitions), len(parts)), dtype=np.bool_)
        keep[:, at] = plan.coalitions
        texts = [units.rebuilt(self._text, parts, row, self._settings.masking) for row in keep]
        answers = self._asker.ask([question(text, self._settings) for text in texts])
        scores = []
        for name, values in self._values(answers).items():
            if np.isfinite(values).all():
                whole, none = values[plan.coalitions.all(axis=1)], values[~plan.coalitions.any(axis=1)]
                scores.append(Scores(name, plan.importance(values), float(whole[0]), float(none[0])))
        return scores, plan.exact, len(plan.coalitions)

    def _values(self, answers: Sequence[Answer]) -> dict[str, Float64]:
        texts = [answer.text for answer in answers]
        found = {"edit": -edit_distances(texts, self._answer.text)}
        found["embedding"] = -embedding_distances(texts, self._answer.text)
        told = [answer.first for answer in answers]
        if all(first is not None for first in told):
            values = [target_logprob(first or {}, self._target) for first in told]
            self.censored += sum(bound for _, bound in values)
            found["logprob"] = np.array([value for value, _ in values])
        return {name: found[name] for name in MEASURES if name in found}

    def coarse_to_fine(self, words: Sequence[Span]) -> tuple[list[Scores], list[Span], bool, int]:
        """Chunks of neighbouring words first; then the words of the chunks that matter most, each with the rest of the
        prompt there. A chunk's score stays the sum of its words': what they leave over is shared equally."""
        edges = np.linspace(0, len(words), MOST_PARTS + 1).round().astype(int)
        chunks = [(words[a][0], words[b - 1][1]) for a, b in pairwise(edges)]
        coarse, exact, coalitions = self.play(chunks, np.ones(len(chunks), dtype=np.bool_))
        if not coarse:
            return [], list(words), exact, coalitions
        owner = np.repeat(np.arange(MOST_PARTS), np.diff(edges))
        spread = {one.measure: replace(one, importance=_spread(one.importance, owner)) for one in coarse}
        for chunk in np.flatnonzero(coarse[0].importance.rank <= FINER):
            fine, _, more = self.play(words, owner == chunk)
            coalitions += more
            for one in fine:
                if one.measure in spread:
                    whole = spread[one.measure]
                    spread[one.measure] = replace(whole, importance=_refined(whole.importance, one, owner == chunk))
        return list(spread.values()), list(words), False, coalitions


def _spread(chunk: Importance, owner: NDArray[np.intp]) -> Importance:
    """A chunk's score in equal parts on its words, which all share its rank."""
    size = np.bincount(owner)[owner]
    at = replace(chunk, **{name: getattr(chunk, name)[owner] for name in _ARRAYS})
    return replace(at, score=at.score / size, low=at.low / size, high=at.high / size)


_ARRAYS = ("score", "low", "high", "rank", "rank_low", "rank_high")


def _refined(whole: Importance, fine: Scores, mine: NDArray[np.bool_]) -> Importance:
    rest = (whole.score[mine].sum() - fine.importance.score.sum()) / mine.sum()
    found = {name: getattr(whole, name).copy() for name in ("score", "low", "high")}
    for name, values in found.items():
        values[mine] = getattr(fine.importance, name) + rest
    return replace(whole, **found)


def target_logprob(first: Mapping[str, float], target: str) -> tuple[float, bool]:
    """Log-probability that the answer begins with `target`, by its likeliest first token that does; and whether it is
    only a bound, because no such token is among those told (then that of the least likely one told)."""
    wanted = target.strip() or target
    fits = [logprob for token, logprob in first.items() if token.strip() and wanted.startswith(token.strip())]
    if fits:
        return max(fits), False
    return (min(first.values()) if first else math.nan), True


def _first(answer: Answer) -> str:
    return answer.tokens[0] if answer.tokens else answer.text


def _perturbation(
    text: str,
    parts: Sequence[Span],
    scores: Sequence[Scores],
    exact: bool,
    coalitions: int,
    censored: int,
    kind: str,
    settings: Settings,
) -> ProbeResult:
    """score: how well two halves of the questions agree on the order of the parts."""
    rows = {
        one.measure: {name: _plain(getattr(one.importance, name)) for name in _ARRAYS}
        | {"full": one.full, "nothing": one.nothing, "reliability": one.importance.reliability}
        for one in scores
    }
    evidence = {
        "parts": [text[start:end] for start, end in parts],
        "measures": rows,
        "unit": kind,
        "exact": exact,
        "coalitions": coalitions,
        "censored": censored,
        "settings": asdict(settings),
    }
    return ProbeResult("perturbation", scores[0].importance.reliability if scores else math.nan, None, evidence)


def _plain(values: NDArray[Any]) -> list[float | int | None]:
    return [None if isinstance(value, float) and math.isnan(value) else value for value in values.tolist()]


def invariance(asker: Asker, text: str, answer: Answer, settings: Settings) -> ProbeResult:
    """Harmless edits: the share after which the answer begins with another word, and how far the answers are apart."""
    edits = harmless_edits(text)
    answers = asker.ask([question(edited, settings) for edited in edits.values()])
    distances = edit_distances([other.text for other in answers], answer.text)
    rows = [
        {"edit": name, "text": edited, "before": _word(answer.text), "after": _word(other.text),
         "changed": _word(other.text) != _word(answer.text), "distance": round(float(distance), 6)}
        for (name, edited), other, distance in zip(edits.items(), answers, distances, strict=True)
    ]  # fmt: skip
    share = sum(bool(row["changed"]) for row in rows) / len(rows) if rows else math.nan
    return ProbeResult("harmless_edits", share, evidence={"edits": rows})


def consistency(asker: Asker, text: str, settings: Settings) -> ProbeResult:
    """The share of the commonest first word among sampled answers, and the entropy of their shares (0 to 1)."""
    drawn = [
        Question(text, settings.max_tokens, settings.sample_temperature, settings.top_p, settings.seed + 1 + draw)
        for draw in range(settings.samples)
    ]
    clusters = Counter(_word(answer.text) for answer in asker.ask(drawn))
    shares = [count / settings.samples for count in clusters.values()]
    entropy = abs(sum(share * math.log(share) for share in shares)) / math.log(settings.samples)
    evidence = {"answers": dict(clusters.most_common(20)), "entropy": round(entropy, 6), "samples": settings.samples}
    return ProbeResult("self_consistency", max(shares), evidence=evidence)


def _word(text: str) -> str:
    words = text.split()
    return words[0].strip(".,;:!?\"'()[]").casefold() if words else ""
