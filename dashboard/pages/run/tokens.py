"""Token chips, by token, word and sentence, and the candidates the model had at every position: numbers first.

Pure functions of typed data. Surprisal and entropy are in bits here (the store keeps nats).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headscope.analysis.attribution.results import WordRule, position_scores, word_rule
from headscope.analysis.registry import method_entry
from headscope.analysis.sentences import sentences_of
from headscope.analysis.types import Attribution, Target, TokenTrace, token_key
from headscope.dashboard.units import in_bits

NAN = float("nan")
Grain = Literal["token", "word", "sentence"]
Key = int | str


@dataclass(frozen=True, slots=True)
class Chip:
    """A token, or the tokens of one word or sentence: characters `[start, end)`, tokens `[index, index + count)`.

    logprob (nats) and surprisal (bits) of several tokens are sums; their scores see `grouped`; entropy (bits) is
    that of the distribution before its first token; rank is None for several tokens. NaN where a part is unmeasured.
    """

    index: int
    count: int
    text: str
    start: int
    end: int
    ids: tuple[int, ...]
    special: bool
    logprob: float
    surprisal: float
    rank: int | None
    entropy: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Colouring:
    """Something chips can be coloured by. `limit` is the value of full colour, by granularity."""

    key: str
    label: str
    unit: str
    signed: bool
    note: str
    limit: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TokenView:
    """Everything the token card draws."""

    tokens: tuple[Chip, ...]
    words: tuple[Chip, ...]
    sentences: tuple[Chip, ...]
    colourings: tuple[Colouring, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token the model considered: probability, rank (1 = top), and what it is: `actual`, `target`, `foil`. id: -1 of
    a model behind an API; rank -1 and probability NaN where they were not told."""

    id: int
    text: str
    prob: float
    rank: int
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the model expected at `position` given the tokens before it; position T is the next token.

    covered: probability of the listed top candidates together. extra: the actual token, the target and the foil where
    the list does not reach them. entropy: bits.
    """

    position: int
    entropy: float
    covered: float
    top: tuple[Candidate, ...]
    extra: tuple[Candidate, ...]


def usable(attributions: Sequence[Attribution], n_tokens: int) -> tuple[Attribution, ...]:
    """The attributions that have one score per token, axes `("position",)`; layers and heads are reduced by
    `headscope.analysis.attribution.results.position_scores`."""
    reduced = ((item, position_scores(item)) for item in attributions if item.error is None)
    return tuple(
        replace(item, scores=scores, axes=("position",))
        for item, scores in reduced
        if scores is not None and len(scores) == n_tokens
    )


def token_view(trace: TokenTrace, attributions: Sequence[Attribution]) -> TokenView:
    """Chips by token, word and sentence, and what they can be coloured by."""
    found = usable(attributions, len(trace.tokens))
    each = [(index, 1) for index in range(len(trace.tokens))]
    groups: dict[Grain, list[tuple[int, int]]] = {
        "token": each,
        "word": runs_of(trace.tokens.words),
        "sentence": runs_of(sentences_of(trace.tokens)),
    }
    chips = {grain: _chips(trace, found, runs) for grain, runs in groups.items()}
    return TokenView(chips["token"], chips["word"], chips["sentence"], _colourings(chips, found))


def runs_of(labels: np.ndarray) -> list[tuple[int, int]]:
    """(start, length) of every run of equal labels."""
    if not len(labels):
        return []
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    return list(zip(starts.tolist(), np.diff(np.r_[starts, len(labels)]).tolist(), strict=True))


def grouped(scores: NDArray[np.float32], starts: Sequence[int], rule: WordRule) -> NDArray[np.float64]:
    """Scores `[..., token]` as `[..., group]`, groups beginning at `starts`, by `attributions.word_rule`. NaN where a
    part is unmeasured."""
    values = scores.astype(np.float64)
    if not len(starts):
        return values[..., :0]
    add = np.maximum if rule == "largest" else np.add
    reduced: NDArray[np.float64] = add.reduceat(values**2 if rule == "norm" else values, np.asarray(starts), axis=-1)
    return np.sqrt(reduced) if rule == "norm" else reduced


def _chips(
    trace: TokenTrace, attributions: Sequence[Attribution], groups: Sequence[tuple[int, int]]
) -> tuple[Chip, ...]:
    starts = [start for start, _ in groups]
    scores = {item.method: grouped(item.scores, starts, word_rule(item)).tolist() for item in attributions}
    return tuple(
        _chip(trace, {name: values[n] for name, values in scores.items()}, start, count)
        for n, (start, count) in enumerate(groups)
    )


def _chip(trace: TokenTrace, scores: Mapping[str, float], start: int, count: int) -> Chip:
    tokens, part = trace.tokens, slice(start, start + count)
    logprob = float(trace.logprobs[part].astype(np.float64).sum())
    rank = int(trace.ranks[start])
    return Chip(
        index=start,
        count=count,
        text="".join(tokens.texts[part]),
        start=int(tokens.char_spans[start, 0]),
        end=int(tokens.char_spans[start + count - 1, 1]),
        ids=tuple(int(i) for i in tokens.ids[part]),
        special=bool(tokens.special[part].all()),
        logprob=logprob,
        surprisal=in_bits(-logprob),
        rank=rank if count == 1 and rank > 0 else None,
        entropy=in_bits(float(trace.entropies[start])),
        scores=scores,
    )


def _colourings(groups: Mapping[Grain, Sequence[Chip]], attributions: Sequence[Attribution]) -> tuple[Colouring, ...]:
    def limit(value: str, score: bool = False) -> Mapping[str, float]:
        return {
            name: largest(np.array([c.scores[value] if score else getattr(c, value) for c in chips], dtype=float))
            for name, chips in groups.items()
        }

    measured = [
        Colouring("surprisal", "Surprisal", "bits", False, "How unexpected it was: −log2 p.", limit("surprisal")),
        Colouring("entropy", "Entropy", "bits", False, "How unsure the model was before it.", limit("entropy")),
    ]
    if attributions and not any(limit("surprisal").values()):
        measured = []  # behind an API no token of the prompt has a probability
    for attribution in attributions:
        entry = method_entry(attribution.method)
        measured.append(
            Colouring(
                attribution.method,
                entry.label if entry else attribution.method,
                score_unit(attribution),
                attribution.signed,
                entry.summary if entry else "",
                limit(attribution.method, score=True),
            )
        )
    return tuple(measured)


UNITS = {
    "saliency": "/ embedding unit",
    "smoothgrad": "/ embedding unit",
    "attention_raw": "attention weight",
    "attention_mean": "attention weight",
    "attention_rollout": "share of attention",
    "attention_flow": "maximum flow",
    "attention_value_norm": "length of update",
}
"""What unsigned methods measure in; those per embedding unit are gradients of the explained quantity."""


ANSWER_UNITS = {"edit_similarity": "share of letters", "embedding_similarity": "cosine"}
"""How near an answer is to the first one: what black-box methods explain beside log-probabilities."""


SHARES = {"activation_patching": "of the difference"}
"""Units of signed scores that are no amounts of the explained quantity."""


def quantity_unit(item: Attribution) -> str:
    """`nats` of a log-probability, `logits` of a logit."""
    return ANSWER_UNITS.get(item.quantity, "logits" if "logit" in item.quantity else "nats")


def score_unit(attribution: Attribution) -> str:
    """`nats` (of a log-probability) or `logits` for shares of the explained quantity; an unsigned method has its own
    unit: saliency is a gradient's length, nats per unit of embedding."""
    quantity = quantity_unit(attribution)
    if attribution.signed:
        return SHARES.get(attribution.method, quantity)
    unit = UNITS.get(attribution.method, "/ embedding unit")
    return f"{quantity} {unit}" if unit.startswith("/") else unit


def largest(values: np.ndarray) -> float:
    """The largest finite size; 0 when nothing was measured."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def candidates(trace: TokenTrace, position: int, target: Target | None = None) -> Candidates:
    """What was expected at `position` in 1..T. `target` (and its foil) are marked at T, where they are measured."""
    n_tokens, row = len(trace.tokens), position - 1
    roles = _target_roles(target) if position == n_tokens else {}
    known: dict[Key, Candidate] = {}
    if position < n_tokens:
        actual, text, rank = int(trace.tokens.ids[position]), trace.tokens.texts[position], int(trace.ranks[position])
        key = token_key(actual, text)
        roles = {key: ("actual",)}
        known[key] = Candidate(actual, text, float(np.exp(trace.logprobs[position])), rank, ("actual",))
    elif target is not None:
        known = _target_candidates(target, roles)
    ids, probs = trace.topk_ids[row], np.exp(trace.topk_logprobs[row].astype(np.float64))
    top = tuple(
        Candidate(int(i), text, float(p), n + 1, roles.get(token_key(int(i), text), ()))
        for n, (i, text, p) in enumerate(zip(ids, trace.topk_texts[row], probs, strict=True))
        if np.isfinite(p)
    )
    listed = {token_key(candidate.id, candidate.text) for candidate in top}
    entropy = float(trace.entropies[position]) if position < n_tokens else trace.next_entropy
    covered = float(sum(candidate.prob for candidate in top))
    return Candidates(position, in_bits(entropy), covered, top,
                      tuple(c for key, c in known.items() if key not in listed))  # fmt: skip


def _target_roles(target: Target | None) -> dict[Key, tuple[str, ...]]:
    if target is None or target.chosen != "given":
        return {}
    roles: dict[Key, tuple[str, ...]] = {token_key(target.token_id, target.text): ("target",)}
    if target.foil_text is not None:
        roles[token_key(target.foil_id, target.foil_text)] = ("foil",)
    return roles


def _target_candidates(target: Target, roles: Mapping[Key, tuple[str, ...]]) -> dict[Key, Candidate]:
    rows = [
        (target.token_id, target.text, target.logprob, target.rank),
        (target.foil_id, target.foil_text or "", target.foil_logprob, target.foil_rank),
    ]
    keyed = [(token_key(i, text), i, text, logprob, rank) for i, text, logprob, rank in rows]
    return {key: Candidate(i, text, float(np.exp(lp)), rank, roles[key]) for key, i, text, lp, rank in keyed
            if key in roles}  # fmt: skip


def all_candidates(trace: TokenTrace, target: Target | None = None) -> tuple[Candidates, ...]:
    """`candidates` of positions 1 to T."""
    return tuple(candidates(trace, position, target) for position in range(1, len(trace.tokens) + 1))
