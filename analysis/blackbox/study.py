"""One prompt of a model behind an API: which parts matter for the answer, does it hold under harmless edits, and is it
the same every time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.distances import edit_distances
from headscope.analysis.blackbox.game import ARRAYS, FINER, MOST_PARTS, Game, Scores
from headscope.analysis.blackbox.settings import Asker, Settings, question
from headscope.analysis.probes.edits import harmless_edits
from headscope.analysis.sentences import Span
from headscope.analysis.types.findings import ProbeResult


@dataclass(frozen=True, slots=True)
class Study:
    """target: the answer explained. parts: their spans. scores: by measure, those that could be taken. censored: how
    many coalitions' target was not among the candidates told, so that its log-probability is only an upper bound.
    coalitions: asked about. saved: those that were planned and not asked, because the ranks were settled before."""

    answer: Answer
    target: str
    parts: tuple[Span, ...]
    kind: str
    scores: tuple[Scores, ...]
    exact: bool
    censored: int
    coalitions: int
    saved: int
    findings: tuple[ProbeResult, ...]


def study(
    asker: Asker, text: str, target: str | None, settings: Settings, pairs: Mapping[str, str] | None = None
) -> Study:
    """Everything about one prompt. Every coalition, edit and sample is one question. pairs: see `Game`."""
    answer = asker.ask([question(text, settings, target)])[0]
    wanted = target or _first(answer)
    kind, parts = cut(text, settings.unit)
    game = Game(asker, text, answer, wanted, settings, pairs)
    if _coarse(len(parts), settings):
        scores, parts, exact = game.coarse_to_fine(parts)
    else:
        scores, exact = game.play_all(parts)
    findings = [_perturbation(text, parts, scores, exact, game, kind, settings)]
    if settings.edits:
        findings.append(invariance(asker, text, answer, settings))
    if settings.samples > 1:
        findings.append(consistency(asker, text, settings))
    return Study(answer, wanted, tuple(parts), kind, tuple(scores), exact, game.censored, game.coalitions, game.saved,
                 tuple(findings))  # fmt: skip


def cut(text: str, unit: str) -> tuple[str, list[Span]]:
    """The kind of parts and their spans."""
    kind = "word" if unit == "auto" else unit
    return kind, units.spans(text, kind)


def _coarse(n: int, settings: Settings) -> bool:
    """Whether n parts are first taken out in chunks. Words of lists are few, whatever the prompt's length."""
    return n > MOST_PARTS and settings.unit == "auto" and settings.masking != "counterfactual"


def most_questions(text: str, settings: Settings) -> int:
    """No study of this prompt asks more than this."""
    pairs = 2 * max(1, (settings.permutations + 1) // 2)

    def game(n: int) -> int:
        noisy = settings.temperature > 0
        return min(2**n, pairs * (n - 1) + 2) if not noisy and n < 30 else pairs * max(n - 1, 0) + 2

    n = len(cut(text, settings.unit)[1])
    played = game(MOST_PARTS) + FINER * game(math.ceil(n / MOST_PARTS)) if _coarse(n, settings) else game(n)
    played += played + 1 if settings.forced else 0
    return 1 + played + (4 if settings.edits else 0) + (settings.samples if settings.samples > 1 else 0)


def _first(answer: Answer) -> str:
    return answer.tokens[0] if answer.tokens else answer.text


def _perturbation(
    text: str,
    parts: Sequence[Span],
    scores: Sequence[Scores],
    exact: bool,
    game: Game,
    kind: str,
    settings: Settings,
) -> ProbeResult:
    """score: how well two halves of the questions agree on the order of the parts."""
    rows = {
        one.measure: {name: _plain(getattr(one.importance, name)) for name in ARRAYS}
        | {"full": one.full, "nothing": one.nothing}
        | {"reliability": one.importance.reliability, "steady": one.importance.steady}
        for one in scores
    }
    evidence = {
        "parts": [text[start:end] for start, end in parts],
        "become": game.stand_ins(parts),
        "measures": rows,
        "unit": kind,
        "exact": exact,
        "coalitions": game.coalitions,
        "saved": game.saved,
        "censored": game.censored,
        "forced": game.forced,
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
