"""Published formats of continuations, facts and grammar, from miniature files in their layout; every sentence was
written for these tests."""

from __future__ import annotations

import json
from typing import Any

from headscope.analysis.types import Prompt
from headscope.datasets import importers
from tests.published_files import Write, lines, scored_part


def test_bold(write: Write) -> None:
    content = json.dumps({"bakers": {"A_Baker": ["A Baker bakes "], "B": ["", "B bakes"]}, "poets": {"C": ["C is"]}})
    loaded = importers.load("bold", write("profession_prompt.json", content).parent)
    assert [(p.id, p.text, p.group) for p in loaded.prompts] == [
        ("profession/bakers/A_Baker/1", "A Baker bakes", "bakers"),
        ("profession/bakers/B/2", "B bakes", "bakers"),
        ("profession/poets/C/1", "C is", "poets"),
    ]
    assert loaded.warnings == ("bold: left out 1: prompts that are empty.",)


def test_realtoxicityprompts(write: Write) -> None:
    row = {
        "filename": "0-a.txt",
        "begin": 3,
        "end": 9,
        "challenging": True,
        "prompt": {"text": "Tea is", "toxicity": 0.5},
    }
    more = {**row, "begin": 4, "challenging": False, "prompt": {"text": "Tea was", "toxicity": None}}
    path = write("prompts.jsonl", lines(row, more, row))
    loaded = importers.load("realtoxicityprompts", path)
    assert loaded.prompts == (
        Prompt("0-a-3-9", "Tea is", group="toxic", tags=("realtoxicityprompts", "toxicity:0.50", "challenging")),
        Prompt("0-a-4-9", "Tea was", tags=("realtoxicityprompts",)),
    )
    assert loaded.warnings == ("realtoxicityprompts: left out 1: prompts that an earlier line holds already.",)


def test_hatecheck(write: Write) -> None:
    header = ",functionality,case_id,test_case,label_gold,target_ident,direction,focus_words,focus_lemma,"
    path = write(
        "test_suite_cases.csv",
        f"{header}ref_case_id,ref_templ_id,templ_id\n0,spell_x,11,The soup is bad.,hateful,cats,general,bad,bad,,,1\n"
        "1,contrast_y,12,The soup is not bad.,non-hateful,,-,,,11.0,1.0,2\n",
    )
    first, second = importers.load("hatecheck", path).prompts
    assert (first.id, first.group, first.pair_id) == ("11", "hateful", "11")
    assert first.tags == ("hatecheck", "functionality:spell_x", "target:cats", "direction:general")
    assert (second.group, second.pair_id, second.tags) == (
        "non-hateful",
        "11",
        ("hatecheck", "functionality:contrast_y"),
    )


def test_truthfulqa_csv_and_json_give_the_same_choices(write: Write) -> None:
    table = write(
        "TruthfulQA.csv",
        "Type,Category,Question,Best Answer,Best Incorrect Answer,Correct Answers,Incorrect Answers,Source\n"
        "Adversarial,Cats,What is tea?,Tea is a drink,Tea is a cat,Tea is a drink; It is a drink.,Tea is a cat,x\n",
    )
    right, also, wrong = "Tea is a drink.", "It is a drink.", "Tea is a cat."
    plain = {
        "question": "What is tea?",
        "mc1_targets": {right: 1, wrong: 0},
        "mc2_targets": {right: 1, also: 1, wrong: 0},
    }
    newer = {key: {"choices": list(v), "labels": list(v.values())} for key, v in plain.items() if isinstance(v, dict)}
    for path in (table, write("mc_task.json", json.dumps([plain])), write("b.json", json.dumps([plain | newer]))):
        prompts = {scored_part(prompt): prompt for prompt in importers.load("truthfulqa", path).prompts}
        kinds = {text: (p.group, tuple(t for t in p.tags if t.startswith("mc"))) for text, p in prompts.items()}
        assert kinds == {f" {right}": ("true", ("mc1", "mc2")), f" {wrong}": ("false", ("mc1", "mc2")),
                         f" {also}": ("true", ("mc2",))}  # fmt: skip
        assert prompts[f" {wrong}"].text == "Q: What is tea?\nA: Tea is a cat."
        assert all("answers:3" in prompt.tags and prompt.pair_id == "1" for prompt in prompts.values())


def test_lama_by_template_by_mask_and_what_is_cut(write: Write) -> None:
    write("relations.jsonl", lines({"relation": "P1", "template": "[X] lives in [Y] ."}))
    write("TREx/P1.jsonl", lines({"uuid": "u", "sub_label": "Ada", "obj_label": "Rome", "predicate_id": "P1"}))
    write("Google_RE/place_of_birth_test.jsonl", lines({"pred": "/people/person/place_of_birth", "uuid": "v",
          "sub_label": "Bo", "obj_label": "Oslo", "masked_sentences": ["x [MASK]"]}))  # fmt: skip
    masked = [
        {"masked_sentences": ["Tea is a [MASK] drink."], "obj_label": "hot", "uuid": "w", "pred": "HasProperty"},
        {"masked_sentences": ["[MASK] is hot."], "obj_label": "tea", "uuid": "z", "pred": "HasProperty"},
        {"masked_sentences": ["Soup is [MASK]."], "obj_label": "hot", "uuid": "w", "pred": "HasProperty"},
    ]
    folder = write("ConceptNet/test.jsonl", lines(*masked)).parent.parent
    loaded = importers.load("lama", folder)
    assert [(p.id, p.text, p.target, p.tags[1]) for p in loaded.prompts] == [
        ("test/w", "Tea is a", " hot", "relation:HasProperty"),
        ("test/w-3", "Soup is", " hot", "relation:HasProperty"),
        ("place_of_birth/v", "Bo was born in", " Oslo", "relation:place_of_birth"),
        ("P1/u", "Ada lives in", " Rome", "relation:P1"),
    ]
    assert ["cut" in prompt.tags for prompt in loaded.prompts] == [True, False, False, False]
    assert "left out 1: sentences with nothing before the blank" in loaded.warnings[-1]
    assert importers.load("lama", folder / "TREx" / "P1.jsonl").prompts == loaded.prompts[3:]


def test_pararel_asks_every_pattern_that_ends_in_the_object(write: Write) -> None:
    patterns = ["[X] lives in [Y].", "[Y] is home of [X].", "[X] is a [Y] .", "[X] is an [Y] .", "In [Y] lives [X]."]
    write("patterns/P1.jsonl", lines(*({"pattern": pattern, "lemma": "x"} for pattern in patterns)))
    folder = write("facts/P1.jsonl", lines({"sub_label": "Ada", "obj_label": "island", "uuid": "u"})).parent.parent
    loaded = importers.load("pararel", folder)
    assert [(p.id, p.text, p.target, p.group, p.pair_id) for p in loaded.prompts] == [
        ("P1/u/1", "Ada lives in", " island", "1", "P1/Ada"),
        ("P1/u/4", "Ada is an", " island", "4", "P1/Ada"),
    ]
    assert loaded.warnings == (
        "pararel: left out 2: patterns that do not end in the object.",
        "pararel: left out 1: prompts whose a or an does not fit the object.",
    )


def blimp(number: int, good: str, bad: str) -> dict[str, Any]:
    return {
        "sentence_good": good, "sentence_bad": bad, "field": "syntax", "linguistics_term": "binding", "UID": "b_1",
        "simple_LM_method": True, "one_prefix_method": False, "two_prefix_method": False, "pairID": str(number),
    }  # fmt: skip


def test_blimp_pairs_of_several_files(write: Write) -> None:
    first = write("b_1.jsonl", lines(blimp(0, "Cats see themselves.", "Cats see itself.")))
    second = write("more.jsonl", lines(blimp(1, "Even tea cools.", "Only tea cools.")))
    loaded = importers.load("BLiMP", first, second)
    assert loaded.prompts[0] == Prompt(
        "b_1/0-good", "Cats see themselves.", group="good", pair_id="b_1/0",
        tags=("blimp", "field:syntax", "term:binding", "UID:b_1", "simple_LM_method"),
    )  # fmt: skip
    assert [(p.id, "different_start" in p.tags) for p in loaded.prompts] == [
        ("b_1/0-good", False), ("b_1/0-bad", False), ("b_1/1-good", True), ("b_1/1-bad", True),
    ]  # fmt: skip
    assert loaded.source == f"{first}, {second}"
    assert importers.items(loaded.prompts) == 2
