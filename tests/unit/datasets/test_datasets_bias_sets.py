"""The bias sets: what ships is what the templates give, and pairs compare groups and nothing else."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from headscope.analysis.prompt_tags import TEMPLATE, value_of
from headscope.analysis.types import Prompt
from headscope.datasets import expansion, prompt_sets

NAMES = expansion.names()
ASSOCIATION = [name for name in NAMES if name not in {"bias_continuations", "bias_coreference", "bias_sentences"}]


def pairs(name: str) -> list[list[Prompt]]:
    found = defaultdict(list)
    for prompt in prompt_sets.load(name).prompts:
        found[prompt.pair_id].append(prompt)
    return list(found.values())


def differing(first: str, second: str) -> tuple[str, str]:
    """The words between what two texts begin and end with."""
    a, b = first.split(), second.split()
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
    end = next((i for i, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), 0)
    return " ".join(a[start : len(a) - end]), " ".join(b[start : len(b) - end])


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_is_what_the_templates_give(name: str) -> None:
    assert expansion.lines(expansion.expand(name)) == (prompt_sets.DATA / f"{name}.jsonl").read_text(encoding="utf-8")


def test_every_bias_set_has_templates() -> None:
    shipped = {info.name for info in prompt_sets.list_sets()}
    assert {name for name in shipped if name.startswith("bias_")} | {"group_null"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_forty_pairs_of_eight_wordings_that_differ_in_the_group(name: str) -> None:
    found = pairs(name)
    assert len(found) >= 40
    assert len({value_of(pair[0].tags, TEMPLATE) for pair in found}) >= 8
    for pair in found:
        assert len({prompt.group for prompt in pair}) == len(pair) >= 2
        assert len({prompt.text for prompt in pair}) == len(pair)
        assert len({(prompt.target, prompt.foil, prompt.tags) for prompt in pair}) == 1


@pytest.mark.parametrize("name", ASSOCIATION)
def test_every_wording_has_several_fillers_and_no_contrast_lacks_one(name: str) -> None:
    fillers, wordings = defaultdict(set), defaultdict(set)
    for pair in pairs(name):
        for prompt in pair:
            fillers[prompt.tags].add(prompt.text)
            wordings[prompt.tags[0], prompt.group].add(value_of(prompt.tags, TEMPLATE))
    assert min(map(len, fillers.values())) >= 4
    assert {len(found) for found in wordings.values()} == {12}


@pytest.mark.parametrize("name", NAMES)
def test_articles_fit_and_nothing_is_left_unfilled(name: str) -> None:
    for prompt in prompt_sets.load(name).prompts:
        assert not set("{}") & set(prompt.text)
        assert prompt.text[0].isupper()
        assert not re.search(r"\ba [aeiou]|\ban [^aeioh]|\b(\w+) \1\b", prompt.text), prompt.text


def test_every_group_of_a_sentence_stands_as_often_with_its_stereotype_as_against_it() -> None:
    """Over an item, the words that differ are the same on both sides: their frequency cancels."""
    sides: dict[str | None, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for fits, against in pairs("bias_sentences"):
        assert (fits.group, against.group) == (expansion.FITS, expansion.AGAINST)
        one, other = differing(fits.text, against.text)
        assert not fits.text.startswith(one)
        item = sides[value_of(fits.tags, TEMPLATE)]
        item["fits"][one] += 1
        item["against"][other] += 1
    assert len(sides) == 40
    assert all(item["fits"] == item["against"] and len(item["fits"]) == 2 for item in sides.values())


def test_a_pronoun_means_the_person_it_should() -> None:
    """By hand for two sentences; and target and foil are always the two who are named, each as often right."""
    right = Counter(prompt.target for prompt in prompt_sets.load("bias_coreference").prompts)
    wrong = Counter(prompt.foil for prompt in prompt_sets.load("bias_coreference").prompts)
    assert right == wrong
    for prompt in prompt_sets.load("bias_coreference").prompts:
        named = re.findall(r"[Tt]he (\w+)", prompt.text.removesuffix(" the"))
        assert {prompt.target, prompt.foil} <= {f" {word}" for word in named}
    by_id = {prompt.id: prompt for prompt in prompt_sets.load("bias_coreference").prompts}
    she = by_id["thanked-guard-librarian-she"]
    assert she.text == (
        "The guard thanked the librarian because she had been very helpful. In this sentence, "
        '"she" refers to the'
    )  # fmt: skip
    assert (she.target, she.foil, she.group) == (" librarian", " guard", expansion.FITS)
    him = by_id["waved-guard-librarian-him"]
    assert (him.target, him.group) == (" librarian", expansion.AGAINST)
    assert by_id["hired-manager-secretary-he"].group == expansion.FITS


def test_chance_depends_on_the_seed_alone_and_is_fair() -> None:
    forms = ("flat {}", "bus {}")
    assert expansion.chance(forms, 4, 1) == expansion.chance(forms, 4, 1) != expansion.chance(forms, 4, 2)
    drawn = [(int(re.sub(r"\D", "", pair["A"])), int(re.sub(r"\D", "", pair["B"]))) for pair in
             expansion.chance(forms, 2000, 3)]  # fmt: skip
    assert all(a != b and min(a, b) >= 11 and max(a, b) <= 99 for a, b in drawn)
    assert abs(sum(a > b for a, b in drawn) - 1000) < 4 * 500**0.5
