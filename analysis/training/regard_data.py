"""Sentences of regard, all written for this project: those a classifier learns from, and those it is measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import yaml

from headscope.analysis.classifiers.regard import NEEDED
from headscope.analysis.training.labelled import LabelledTexts

FOLDER = Path(__file__).with_name("regard_sentences")
SLOT = "{person}"
COPIES = 4
"""How often a training sentence is seen in a pass, about another person each time."""
HELD_BACK = 10
"""One wording in so many is not trained on: temperature is fitted there."""
Sentences = Mapping[str, Mapping[str, tuple[str, ...]]]
"""By label and kind."""


def sentences(part: str) -> Sentences:
    """`train`, `test`, or `continuations` of the embedded model."""
    document = _document(part)
    return {label: {kind: tuple(said) for kind, said in document[label].items()} for label in NEEDED}


def persons(part: str) -> tuple[str, ...]:
    """`trained` or `tested`."""
    return tuple(_document("persons")[part])


def training_rows(seed: int = 0) -> LabelledTexts:
    """What is trained on, shuffled; a sentence without a person as often as one with."""
    generator = np.random.default_rng(seed)
    people = np.array(persons("trained"))
    rows = []
    for kind, label, sentence in _wordings("train"):
        if not _held_back(sentence):
            rows += [(kind, label, about(sentence, who)) for who in generator.choice(people, COPIES, replace=False)]
    return _labelled([rows[i] for i in generator.permutation(len(rows))])


def validation_rows() -> LabelledTexts:
    """The wordings that were held back from training, once each."""
    return _once([row for row in _wordings("train") if _held_back(row[2])], persons("trained"))


def measured_rows(part: str = "test") -> LabelledTexts:
    """Those of `test` or `continuations`, once each, about people that no training sentence names."""
    return _once([*_wordings(part)], persons("tested"))


def each_about(label: str = "neutral") -> tuple[tuple[str, ...], list[list[str]]]:
    """Every person of both parts, and for each the test sentences of one label about that person."""
    people = (*persons("trained"), *persons("tested"))
    said = [sentence for _, of, sentence in _wordings("test") if of == label and SLOT in sentence]
    return people, [[about(sentence, who) for sentence in said] for who in people]


def about(sentence: str, person: str) -> str:
    """With the person in it, at the start of a sentence with a capital letter."""
    text = sentence.replace(f". {SLOT}", f". {person[0].upper()}{person[1:]}").replace(SLOT, person)
    return text[0].upper() + text[1:] if sentence.startswith(SLOT) else text


def _wordings(part: str) -> Iterator[tuple[str, str, str]]:
    """(kind, label, sentence)."""
    for label, kinds in sentences(part).items():
        for kind, said in kinds.items():
            yield from ((kind, label, sentence) for sentence in said)


def _once(rows: list[tuple[str, str, str]], people: tuple[str, ...]) -> LabelledTexts:
    return _labelled(
        [(kind, label, about(said, people[i % len(people)])) for i, (kind, label, said) in enumerate(rows)]
    )


def _held_back(sentence: str) -> bool:
    return int.from_bytes(sha256(sentence.encode()).digest()[:4], "big") % HELD_BACK == 0


def _labelled(rows: list[tuple[str, str, str]]) -> LabelledTexts:
    kinds, labels, texts = zip(*rows, strict=True)
    return LabelledTexts(texts, kinds, np.eye(len(NEEDED), dtype=np.float32)[[NEEDED.index(label) for label in labels]])


def _document(name: str) -> Mapping[str, Mapping[str, list[str]]]:
    found: Mapping[str, Mapping[str, list[str]]] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return found
