"""A run whose offensive texts are blotted out: letters stand for letters, so that every figure, strip and grouping of
tokens stays what it is, and no word of the text leaves the server."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from headscope.analysis.types import Attribution, LensTable, Target, TokenTrace
from headscope.analysis.types.attributions import partner_of
from headscope.analysis.types.findings import Finding, ToxicityScore
from headscope.analysis.types.outcome import PARTNER
from headscope.storage.rows import Offence, RunDetail
from headscope.storage.rows.offensive import CONTINUATION, PROMPT

KEPT = frozenset("PZC")
"""Punctuation, spaces and line breaks: where words and sentences end."""


@dataclass(frozen=True, slots=True)
class BlottedRun(RunDetail):
    """A run as one sees it who has not uncovered it. why: what of it is offensive, by part."""

    why: Mapping[str, Offence] = field(default_factory=dict)


def blot(text: str) -> str:
    """X, x and 0 for capitals, other signs and digits; punctuation and white space stay."""
    return "".join(map(_blotted, text))


def _blotted(sign: str) -> str:
    kind = unicodedata.category(sign)
    return sign if kind[0] in KEPT else "X" if kind == "Lu" else "0" if kind[0] == "N" else "x"


def blotted(detail: RunDetail, why: Mapping[str, Offence]) -> RunDetail:
    """The run without the words of what offends, and of what would tell them: of a prompt all texts, of a continuation
    what the model said or would have said. The run itself where nothing offends."""
    if not why:
        return detail
    whole = {item.name: getattr(detail, item.name) for item in fields(RunDetail)}
    answers, prompt = CONTINUATION in why or PROMPT in why, PROMPT in why
    change: dict[str, Any] = {"findings": tuple(_told(item, why) for item in detail.findings)}
    if answers:
        names = ("text", "target", "foil", "next_token", "continuation") if prompt else ("next_token", "continuation")
        texts: dict[str, Any] = {name: _maybe(getattr(detail.row, name)) for name in names}
        change |= {
            "row": replace(detail.row, **texts),
            "trace": detail.trace and _trace(detail.trace, prompt),
            "lens": detail.lens and _lens(detail.lens),
            "target": detail.target and _target(detail.target, prompt),
            "attributions": tuple(_attribution(item, detail.target, prompt) for item in detail.attributions),
            "continuation": detail.continuation and replace(
                detail.continuation, text=blot(detail.continuation.text), texts=_all(detail.continuation.texts)
            ),
        }  # fmt: skip
    return BlottedRun(**{**whole, **change}, why=why)


def _maybe(text: str | None) -> str | None:
    return None if text is None else blot(text)


def _all(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(blot, texts))


def _trace(trace: TokenTrace, prompt: bool) -> TokenTrace:
    """Candidates tell the text as well as it does itself; those after it tell the answer."""
    if not prompt:
        return replace(trace, topk_texts=(*trace.topk_texts[:-1], _all(trace.topk_texts[-1])))
    tokens = replace(trace.tokens, text=blot(trace.tokens.text), texts=_all(trace.tokens.texts))
    return replace(trace, tokens=tokens, topk_texts=tuple(map(_all, trace.topk_texts)))


def _lens(lens: LensTable) -> LensTable:
    return replace(lens, top_texts=tuple(map(_all, lens.top_texts)))


def _target(target: Target, prompt: bool) -> Target:
    if not prompt and target.chosen == "given":
        return target
    return replace(target, text=blot(target.text), foil_text=_maybe(target.foil_text))


def _attribution(item: Attribution, target: Target | None, prompt: bool) -> Attribution:
    if not prompt and target is not None and target.chosen == "given":
        return item
    facts = dict(item.outcome.facts)
    if partner_of((item,)) is not None:
        facts[PARTNER] = blot(str(facts[PARTNER]))
    outcome = replace(item.outcome, facts=facts)
    return replace(item, target=blot(item.target), foil=_maybe(item.foil), outcome=outcome)


def _told(item: Finding, why: Mapping[str, Offence]) -> Finding:
    """A finding without its evidence, which quotes; why it was not measured stays."""
    if isinstance(item, ToxicityScore):  # its evidence is the text's words
        return replace(item, evidence={})
    error = item.evidence.get("error")
    said = next(iter(why.values())).said
    return replace(item, evidence={"error": error} if error is not None else {"covered": said})
