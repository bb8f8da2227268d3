"""Attributions side by side: aligned scores, and for every method what was explained, how, and with what evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from headscope.analysis.attribution.results import WordRule, position_scores, word_rule
from headscope.analysis.registry import method_entry
from headscope.analysis.types import Attribution, Float32
from headscope.analysis.types.outcome import Outcome
from headscope.analysis.types.receipts import Receipt
from headscope.dashboard.pages.run.receipts import ReceiptView, receipt_view
from headscope.dashboard.pages.run.tokens import ANSWER_UNITS, Grain, grouped, largest, quantity_unit, score_unit
from headscope.dashboard.text import quoted
from headscope.dashboard.units import memory, percent
from headscope.dashboard.verdicts import adds_up
from headscope.dashboard.words import true_minus

UNSURE = ("not_converged", "off")
GROUPS: tuple[Grain, ...] = ("word", "sentence")
ELSEWHERE = {
    "head": "One score per head, not per token: see “Heads: where they look, what they do”.",
    "component": "One score per head and MLP, not per token: see “Heads and MLPs”.",
}


@dataclass(frozen=True, slots=True)
class MethodView:
    """One method of a run. `index` is its place among the run's attributions.

    strip: whether it has one score per token. scores `[position]`, or `[target, position]` for a continuation; words,
    sentences: the same by word and sentence (`grouped`), empty without a strip. errors, word_errors, sentence_errors:
    how far each may be off (of several tokens: their sum), empty where the method does not say. not_explained: why
    tokens it could score are NaN. limit, shared_limit: full scale of this row alone, and of all rows that measure the
    same thing in the same unit, by granularity. note: how it came to one score per token.
    total: sum of the measured scores. facts: (term, value) pairs in print order. verdict: see
    `convergence`; warning says in plain words what follows from it.
    """

    index: int
    method: str
    label: str
    summary: str
    signed: bool
    unit: str
    strip: bool
    note: str
    scores: Float32
    words: Float32
    sentences: Float32
    errors: Float32
    word_errors: Float32
    sentence_errors: Float32
    not_explained: str
    limit: Mapping[str, float]
    shared_limit: Mapping[str, float]
    total: float
    facts: tuple[tuple[str, str], ...]
    verdict: str
    warning: str
    receipt: ReceiptView | None
    error: str | None


def method_views(
    attributions: Sequence[Attribution], starts: Mapping[Grain, Sequence[int]] = MappingProxyType({})
) -> tuple[MethodView, ...]:
    """One view per attribution, in the given order. starts: the first token of every word and sentence."""
    views = [_view(i, item, starts) for i, item in enumerate(attributions)]
    shared: dict[tuple[bool, str, str], dict[str, float]] = {}
    for item, view in zip(attributions, views, strict=True):
        most = shared.setdefault((item.signed, item.quantity, view.unit), dict.fromkeys(view.limit, 0.0))
        for grain, limit in view.limit.items():
            most[grain] = max(most[grain], limit)
    return tuple(
        replace(view, shared_limit=shared[item.signed, item.quantity, view.unit])
        for item, view in zip(attributions, views, strict=True)
    )


def over_tokens(item: Attribution) -> Float32 | None:
    """float32 `[position]`, of a continuation `[target, position]`: layers and heads reduced by `position_scores`. None
    without a position of the input, or when it failed."""
    if item.error is not None or item.axes[0] != "target_position":
        return position_scores(item)
    rows = [position_scores(replace(item, scores=row, axes=item.axes[1:])) for row in item.scores]
    found = [row for row in rows if row is not None]
    return np.stack(found) if found and len(found) == len(rows) else None


def _view(index: int, item: Attribution, starts: Mapping[Grain, Sequence[int]]) -> MethodView:
    entry = method_entry(item.method)
    verdict = convergence(item)
    scores = over_tokens(item)
    flat = np.empty(0, dtype=np.float32) if scores is None else scores
    by_word, by_sentence = (_by(flat, starts.get(grain, ()), word_rule(item)) for grain in GROUPS)
    errors = flat[:0] if item.score_errors is None or item.axes != ("position",) else item.score_errors
    word_errors, sentence_errors = (_by(errors, starts.get(grain, ()), "sum") for grain in GROUPS)
    measured = item.scores[np.isfinite(item.scores)].astype(np.float64)
    return MethodView(
        index=index,
        method=item.method,
        label=entry.label if entry else item.method,
        summary=entry.summary if entry else "",
        signed=item.signed,
        unit=score_unit(item),
        strip=scores is not None,
        note=_note(item),
        scores=flat,
        words=by_word,
        sentences=by_sentence,
        errors=errors,
        word_errors=word_errors,
        sentence_errors=sentence_errors,
        not_explained=item.outcome.not_explained,
        limit={"token": largest(flat), "word": largest(by_word), "sentence": largest(by_sentence)},
        shared_limit={},
        total=float(measured.sum()) if measured.size else float("nan"),
        facts=tuple(_facts(item)),
        verdict=verdict,
        warning=_warning(item, verdict) if verdict in UNSURE else "",
        receipt=None if item.receipt is None else _receipt(item, item.receipt),
        error=item.error,
    )


def _receipt(item: Attribution, receipt: Receipt) -> ReceiptView:
    of_all = item.axes[0] == "target_position"
    return receipt_view(receipt, quantity_unit(item), item.outcome.converged, continuation=of_all)


def _by(scores: Float32, starts: Sequence[int], rule: WordRule) -> Float32:
    """Scores `[..., token]` by group; nothing of nothing."""
    return grouped(scores, starts, rule).astype(np.float32) if scores.size else scores


def _note(item: Attribution) -> str:
    axes = [axis for axis in item.axes if axis != "target_position"]
    if item.error is not None or axes == ["position"]:
        return ""
    if axes == ["layer", "position"]:
        return "One score per layer and token: see “Where the evidence enters”."
    if axes[-1] != "position":
        return ELSEWHERE.get(axes[-1], "One score for each of " + ", ".join(axes) + ": it has no row of tokens.")
    return f"{'Summed' if item.signed else 'Averaged'} over {' and '.join(f'{axis}s' for axis in axes[:-1])}."


def convergence(item: Attribution) -> str:
    """`converged` or `not_converged` by the method's own word, as in a receipt's verdict (`receipts.standing`), and by
    nothing else; where it gives none `adds_up` or `off`, by the delta beside the largest score; `none` where it
    promises no sum either."""
    if item.error is not None:
        return "none"
    if item.outcome.converged is not None:
        return "converged" if item.outcome.converged else "not_converged"
    if not math.isfinite(item.convergence_delta):
        return "none"
    return "adds_up" if adds_up(item.convergence_delta, largest(item.scores)) else "off"


def _explained_change(item: Attribution) -> float:
    """value - value at the baseline: what the scores should add up to (sum = change + delta)."""
    return float(np.nansum(item.scores.astype(np.float64))) - item.convergence_delta


def _warning(item: Attribution, verdict: str) -> str:
    change, unit = _explained_change(item), quantity_unit(item)
    share = abs(item.convergence_delta) / max(largest(item.scores), 1e-9)
    off = (
        f"the scores add up to {change + item.convergence_delta:.4g} {unit}, but the quantity changed "
        f"by {change:.4g} {unit}: off by {percent(share, gap='')} of the largest score."
    )
    if verdict == "off":
        return f"Does not add up: {off} Read the scores as an order, not as shares; a receipt tests the order."
    text = f"Not converged: {off}" if math.isfinite(share) else "Not converged, by the method’s own word."
    found = item.outcome
    if found.error is not None:
        text += f" {found.error_label[:1].upper()}{found.error_label[1:]} {found.error:.3g} {unit}."
    remedy = f"; run it again with {found.remedy}" if found.remedy else ""
    return f"{text} Do not rank tokens by it{remedy}."


def explained(item: Attribution) -> str:
    """What was explained, in words: `log-probability of “x” minus “y”`."""
    name = "logit" if "logit" in item.quantity else "log-probability"
    name = f"joint {name}" if item.quantity.startswith("joint_") else name
    target = quoted(item.target, 24) if item.target or item.error is None else "what comes next"
    if item.quantity in ANSWER_UNITS:
        return f"how near the answer is to the first one ({item.quantity.replace('_', ' ')})"
    if item.axes[0] == "target_position":
        return f"{name} of every token of {target}"
    if item.quantity.endswith("_difference"):
        return f"{name} of {target} minus {quoted(item.foil or '', 24)}"
    return f"{name} of {target}"


def _facts(item: Attribution) -> list[tuple[str, str]]:
    unit = quantity_unit(item)
    rows = [("explains", explained(item)), ("value", _amount(item.value, unit))]
    if math.isfinite(item.convergence_delta):
        rows.append(("scores add up to within", _amount(item.convergence_delta, unit)))
    rows += [*settings(item), *_found(item.outcome, unit)]
    rows.append(("computed in", f"{item.seconds:.2f} s"))
    if item.peak_bytes >= 0:
        rows.append(("peak memory", f"{memory(item.peak_bytes)} over before"))
    return rows


def settings(item: Attribution) -> list[tuple[str, str]]:
    """What the method was set to, in words."""
    return [
        (name.replace("_", " "), quoted(value) if _is_text(item.method, name) else _shown(value))
        for name, value in item.params.items()
    ]


def _is_text(method: str, param: str) -> bool:
    """Whether a parameter is words of a user's, with white space to be seen."""
    entry = method_entry(method)
    return entry is not None and any(one.name == param and one.kind == "text" for one in entry.params)


def _found(outcome: Outcome, unit: str) -> list[tuple[str, str]]:
    """What came out, in words; nothing of what the method does not say."""
    said = {
        "steps": outcome.steps,
        "value change": None if outcome.value_change is None else _amount(outcome.value_change, unit),
        outcome.error_label: None if outcome.error is None else f"{_shown(outcome.error)} {unit}",
        "converged": outcome.converged,
        **{label: _amount(value, unit) for label, value in outcome.terms.items()},
        "not explained": outcome.not_explained or None,
        **outcome.facts,
    }
    return [(label, _shown(value)) for label, value in said.items() if value is not None]


def _amount(value: float, unit: str) -> str:
    return true_minus(f"{value:+.4f} {unit}") if math.isfinite(value) else "not measured"


def _shown(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return true_minus(f"{value:.4g}") if math.isfinite(value) else "not measured"
    return str(value)
