"""A text with its group word exchanged."""

from __future__ import annotations

import pytest

from headscope.analysis.classifiers.exchanged import exchanged, groups

AMONG = ("women", "men", "young people", "Poles")


@pytest.mark.parametrize(
    ("text", "found", "instead"),
    [
        ("Two women met other Women.", "women", ("Two men met other Men.", "Two Poles met other Poles.")),
        ("Women vote.", "Women", ("Men vote.", "Young people vote.")),
        ("Young people and women", "Young people", ("Women and women", "Poles and women")),
        ("a (men) b", "men", ("a (women) b",)),
        ("the womenfolk, amen", "", ()),
        ("", "", ()),
    ],
)
def test_only_whole_words_are_exchanged_all_places_alike(text: str, found: str, instead: tuple[str, ...]) -> None:
    word, texts = exchanged(text, AMONG)
    assert word == found
    assert set(instead) <= set(texts.values())
    assert len(texts) == (len(AMONG) - 1 if found else 0)
    assert found.casefold() not in {name.casefold() for name in texts}


def test_the_groups_are_those_of_the_audit() -> None:
    assert len(groups()) == 30
    assert {"women", "Muslim people", "Poles"} <= set(groups())
    assert exchanged("Two autistic people met.", groups())[1]["Poles"] == "Two Poles met."
