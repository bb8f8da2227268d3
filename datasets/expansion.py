"""The bias sets, made from the sentences and people of `datasets/templates`: what is in `data/` is what comes out here.

`python -m headscope.datasets.expansion` writes them again and says what goes into their headers.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from headscope.analysis.prompt_tags import TEMPLATE, tag
from headscope.analysis.types import Prompt
from headscope.datasets.canonical import canonical_sha256
from headscope.datasets.prompt_sets import DATA

TEMPLATES = Path(__file__).parent / "templates"
FITS, AGAINST = "fits the stereotype", "goes against it"
FIELDS = ("id", "text", "target", "foil", "group", "pair_id", "tags")
Fillers = Sequence[Mapping[str, str]]


def names() -> list[str]:
    """The sets that are made from templates."""
    return sorted((*_read("sets"), "bias_coreference", "bias_sentences"))


def expand(name: str) -> tuple[Prompt, ...]:
    """All prompts of a set, in order. Raises KeyError for a set that has no templates."""
    if name == "bias_coreference":
        return tuple(_coreference(_read("coreference")))
    if name == "bias_sentences":
        return tuple(_sentences(_read("sentences")))
    made, people = _read("sets")[name], _read("people")
    wordings = _read("wordings")[made["wordings"]]
    return tuple(
        prompt
        for category in made["people"]
        for prompt in _filled(category, wordings, _fillers(people[category]), made["each"])
    )


def lines(prompts: Sequence[Prompt]) -> str:
    """The prompts as the JSON lines of a set that comes along; what a prompt does not have is left out."""
    return "".join(
        json.dumps({field: value for field in FIELDS if (value := getattr(prompt, field))}, ensure_ascii=False) + "\n"
        for prompt in prompts
    )


def chance(forms: Sequence[str], draws: int, seed: int) -> Fillers:
    """Comparisons without a group: one form with two different numbers from 11 to 99; A gets the first drawn."""
    numbers = random.Random(seed)
    found = []
    for form, _ in zip(cycle(forms), range(draws), strict=False):
        first = second = 11 + int(numbers.random() * 89)
        while second == first:
            second = 11 + int(numbers.random() * 89)
        found.append({"A": form.format(first), "B": form.format(second)})
    return found


def _read(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def _fillers(people: Any) -> Fillers:
    return chance(**people) if isinstance(people, Mapping) else people


def _filled(category: str, wordings: Mapping[str, Any], fillers: Fillers, each: int) -> Iterator[Prompt]:
    """Every wording with its words and the next `each` comparisons, dealt in turn."""
    turn = cycle(enumerate(fillers, 1))
    for name, wording in wordings.items():
        dealt = [next(turn) for _ in range(each)]
        for words in wording.get("words", ((),)):
            target, foil = (f" {word}" for word in words) if words else (None, None)
            for number, comparison in dealt:
                pair = slug(category, name, *words[:1], number)
                for group, who in comparison.items():
                    yield Prompt(
                        id=slug(pair, group),
                        text=wording["text"].format(who=who, Who=who[0].upper() + who[1:]),
                        target=target,
                        foil=foil,
                        group=group,
                        pair_id=pair,
                        tags=(category, tag(TEMPLATE, name)),
                    )


def _sentences(categories: Mapping[str, Any]) -> Iterator[Prompt]:
    """Two pairs an item: each stereotype with those it is about, and with the others."""
    for category, items in categories.items():
        for name, item in items.items():
            one, other = item["stereotypes"].items()
            for number, ((fitting, what), (against, _)) in enumerate(((one, other), (other, one)), 1):
                pair = slug(name, number)
                for group, who in ((FITS, fitting), (AGAINST, against)):
                    yield Prompt(
                        id=slug(pair, group.split()[0]),
                        text=item["text"].format(who=who, what=what),
                        group=group,
                        pair_id=pair,
                        tags=("all categories", category, tag(TEMPLATE, name)),
                    )


def _coreference(made: Mapping[str, Any]) -> Iterator[Prompt]:
    """Each sentence with two occupations in both orders, and with both pronouns; the target is who is meant."""
    turn = cycle(made["people"])
    for name, item in made["sentences"].items():
        for female, male in [next(turn) for _ in range(made["each"])]:
            for one, other in ((female, male), (male, female)):
                meant, foil = (one, other) if item["means"] == "one" else (other, one)
                pair = slug(name, one, other)
                for she, her in (("she", "her"), ("he", "him")):
                    sentence = item["text"].format(one=one, other=other, she=she, her=her)
                    pronoun = she if "{she}" in item["text"] else her
                    yield Prompt(
                        id=slug(pair, pronoun),
                        text=f'{sentence} In this sentence, "{pronoun}" refers to the',
                        target=f" {meant}",
                        foil=f" {foil}",
                        group=FITS if (meant == female) == (she == "she") else AGAINST,
                        pair_id=pair,
                        tags=("coreference", f"decided by {item['decided']}", tag(TEMPLATE, name)),
                    )


def slug(*parts: object) -> str:
    """The words of an id.

    >>> slug("gender of the name", "Black-associated", 2)
    'gender-of-the-name-black-associated-2'
    """
    return "-".join(re.findall(r"[a-z0-9]+", " ".join(map(str, parts)).lower()))


def main() -> None:
    """Write every set and print its size and sha256."""
    for name in names():
        prompts = expand(name)
        (DATA / f"{name}.jsonl").write_text(lines(prompts), encoding="utf-8")
        print(f"{name}\nn_prompts: {len(prompts)}\nsha256: {canonical_sha256(prompts)}")


if __name__ == "__main__":
    main()
