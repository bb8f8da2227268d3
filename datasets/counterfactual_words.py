"""Words and the other word of their pair, from the templates of the bias sets, for counterfactual substitution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import yaml

from headscope.datasets.expansion import TEMPLATES

PRONOUNS = (("she", "he"), ("her", "his"), ("hers", "his"), ("him", "her"), ("herself", "himself"))
""""her" is "his" or "him" in the other gender; the list cannot tell, and takes "his"."""


def word_pairs() -> dict[str, str]:
    """Word to counterpart, both in small letters: pronouns; words for the people of the stereotype sentences (`woman`,
    `man`); and words in which two phrases of one comparison differ, when they differ in one (`old`, `young`; names;
    occupations). The first pair that has a word counts, each way."""
    found: dict[str, str] = {}
    for one, other in (*PRONOUNS, *_sentences(_read("sentences")), *_people(_read("people"))):
        if one != other:
            found.setdefault(one, other)
            found.setdefault(other, one)
    return found


def _read(name: str) -> Mapping[str, Any]:
    read: Mapping[str, Any] = yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8"))
    return read


def _sentences(categories: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for items in categories.values():
        for item in items.values():
            yield from _apart(item["stereotypes"])


def _people(categories: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for comparisons in categories.values():
        if isinstance(comparisons, list):  # `chance` is no list of people
            for groups in comparisons:
                yield from _apart(groups.values())


def _apart(phrases: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The words in which two phrases differ, where they differ in one."""
    for one, other in combinations([phrase.lower().split() for phrase in phrases], 2):
        if len(one) == len(other):
            differing = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
            if len(differing) == 1 and all(word.isalpha() for word in differing[0]):
                yield differing[0]
