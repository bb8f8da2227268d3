"""Tests of one prompt's answer: asked again, in other words and after harmless edits, does the model say the same
(Elazar et al. 2021; CheckList's invariance, Ribeiro et al. 2020), does it state the target, does it abstain? What many
prompts say together is in `analysis.blackbox.answer_rows`."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headscope.analysis.blackbox import units
from headscope.analysis.blackbox.abstention import abstention
from headscope.analysis.blackbox.answer_rows import (
    ABSTENTION,
    CONSISTENCY,
    DRAW,
    EDIT,
    INVARIANCE,
    SURFACE,
    TARGET,
    WORDING,
)
from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.settings import Asker, Settings, question
from headscope.analysis.blackbox.study import Study
from headscope.analysis.errors import InputError
from headscope.analysis.models.sentence_vectors import embed
from headscope.analysis.probes.edits import harmless_edits, surface_changes
from headscope.analysis.probes.semantic_entropy import clusters, first_sentence
from headscope.analysis.types import Prompt
from headscope.analysis.types.findings import ProbeResult

SAME = 0.9
"""Cosine from which two answers mean the same, as in `semantic_entropy`."""
PARAPHRASE = "paraphrase"
"""Prompts of one pair id whose groups begin with this are wordings of one question, as the detector `inconsistent` has
it."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = str.maketrans(dict.fromkeys(string.punctuation + "“”‘’…–—", " "))


@dataclass(frozen=True, slots=True)
class Variant:
    """A question asked again. change: which one of its kind. of: the other wording's prompt id, else empty."""

    kind: str
    change: str
    question: Question
    of: str = ""


def variants(prompt: Prompt, settings: Settings) -> list[Variant]:
    """What is asked about a prompt beside itself and its other wordings, which are prompts of their own."""
    found = [Variant(SURFACE, name, question(text, settings)) for name, text in surface_changes(prompt.text).items()]
    if settings.samples > 0:
        asked = question(prompt.text, settings)
        drawn = replace(asked, temperature=settings.sample_temperature)
        found += [Variant(DRAW, str(i), replace(drawn, draw=settings.seed + i)) for i in range(1, settings.samples + 1)]
    if settings.edits:
        found += [Variant(EDIT, name, question(text, settings)) for name, text in harmless_edits(prompt.text).items()]
    return found


def questions(prompt: Prompt, settings: Settings) -> list[Question]:
    """Everything that is asked about a prompt: all of it is known before the first call."""
    return [question(prompt.text, settings, prompt.target), *(item.question for item in variants(prompt, settings))]


def wordings(prompts: Sequence[Prompt]) -> dict[str, tuple[Prompt, ...]]:
    """Prompt id -> the other wordings of its question in the set."""
    groups: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        if prompt.pair_id is not None and (prompt.group or "").startswith(PARAPHRASE):
            groups.setdefault(prompt.pair_id, []).append(prompt)
    return {one.id: tuple(other for other in group if other is not one) for group in groups.values() for one in group}


def checked(asker: Asker, prompt: Prompt, settings: Settings, others: Sequence[Prompt]) -> Study:
    """Every test of one prompt. others: its other wordings; their answers are known from their own runs, or will be."""
    asked = variants(prompt, settings)
    answer, *again = asker.ask(questions(prompt, settings))
    for other in others:
        for known in _asked(asker, question(other.text, settings, other.target)):
            asked.append(Variant(WORDING, other.group or "", Question(other.text), other.id))
            again.append(known)
    rows = _compared(prompt.text, answer, asked, again)
    whose = {"pair": prompt.pair_id, "group": prompt.group, "answer": first_sentence(answer.text)}
    findings = [_share(CONSISTENCY, [row for row in rows if row["kind"] != EDIT], whose)]
    findings += [_share(INVARIANCE, [row for row in rows if row["kind"] == EDIT], whose)] if settings.edits else []
    findings.append(_abstention(answer, whose))
    if prompt.target and prompt.target.strip():
        stated = states(answer.text, prompt.target)
        findings.append(
            ProbeResult(TARGET, float(stated), "right" if stated else "wrong", {**whose, "target": prompt.target})
        )
    first = answer.tokens[0] if answer.tokens else answer.text
    kind = "word"
    parts = tuple(units.spans(prompt.text, kind))
    return Study(answer, prompt.target or first, parts, kind, (), False, 0, 0, 0, tuple(findings))


def _asked(asker: Asker, wanted: Question) -> Iterator[Answer]:
    """Nothing where the API refuses it: that is its own run's failure."""
    try:
        yield from asker.ask([wanted])
    except InputError:
        return


def normalised(text: str) -> str:
    """An answer's first sentence without case, punctuation and articles (as SQuAD compares, Rajpurkar et al. 2016)."""
    plain = unicodedata.normalize("NFKC", first_sentence(text)).casefold().translate(_MARKS)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def states(answer: str, target: str) -> bool:
    """Whether the target's words stand together in the answer's first sentence, without case. "Not Paris" states
    Paris."""
    return f" {normalised(target)} " in f" {normalised(answer)} "


def _compared(text: str, answer: Answer, asked: Sequence[Variant], again: Sequence[Answer]) -> list[dict[str, Any]]:
    """Each answer held against the first one: by its normalised words, and by the cluster of meaning it is in."""
    reference = normalised(answer.text)
    means = _same_meaning(text, [answer.text, *(other.text for other in again)])
    return [
        {"kind": item.kind, "change": item.change, "of": item.of,
         "text": None if item.kind == DRAW else item.question.text, "answer": first_sentence(other.text),
         "same": normalised(other.text) == reference, "meaning": mean}
        for item, other, mean in zip(asked, again, means, strict=True)
    ]  # fmt: skip


def _same_meaning(text: str, answers: Sequence[str]) -> list[bool | None]:
    """Whether each answer but the first is in the first one's cluster; None without the encoder. Blank answers mean the
    same as each other only."""
    said = [first_sentence(answer) for answer in answers]
    distinct = list(dict.fromkeys(said))
    vectors = embed([f"{text} {one}" for one in distinct])
    if vectors is None:
        return [None] * (len(answers) - 1)
    cluster = dict(zip(distinct, clusters(np.asarray(vectors), SAME), strict=True))
    return [cluster[one] == cluster[said[0]] and bool(one) == bool(said[0]) for one in said[1:]]


def _share(probe: str, rows: Sequence[dict[str, Any]], whose: dict[str, Any]) -> ProbeResult:
    """score: the share of answers with the same words."""
    share = sum(row["same"] for row in rows) / len(rows) if rows else float("nan")
    return ProbeResult(probe, share, evidence={**whose, "again": list(rows)})


def _abstention(answer: Answer, whose: dict[str, Any]) -> ProbeResult:
    span = abstention(answer.text)
    known = np.array(answer.logprobs, dtype=np.float64)
    mean = round(float(known.mean()), 6) if len(known) and np.isfinite(known).all() else None
    evidence = {**whose, "span": span, "wording": answer.text[slice(*span)] if span else None, "mean_logprob": mean}
    return ProbeResult(ABSTENTION, float(span is not None), "abstains" if span else "answers", evidence)
