"""Published formats, from miniature files in their layout; every sentence was written for these tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headscope.analysis.errors import InputError
from headscope.analysis.prompt_tags import value_of
from headscope.analysis.types import Prompt
from headscope.datasets import importers

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return to_file


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def scored_part(prompt: Prompt) -> str:
    return prompt.text[int(value_of(prompt.tags, "context") or 0) :]


def test_every_format_says_what_it_is() -> None:
    for name, importer in importers.FORMATS.items():
        assert importer.name == name
        assert importer.licence.endswith("(as published)")
        assert importer.purpose.endswith(")")


def test_crows_pairs(write: Write) -> None:
    path = write(
        "crows_pairs_anonymized.csv",
        ",sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,anon_annotators\n"
        '0,"Old cats nap, mostly.","Young cats nap, mostly.",stereo,age,"[[\'age\']]",a1,"[\'a2\']"\n'
        "1,Tall birds sing.,Small birds sing.,antistereo,physical-appearance,x,a1,x\n",
    )
    loaded = importers.load("crows_pairs", path)
    assert loaded.prompts[0] == Prompt(
        "0-more", "Old cats nap, mostly.", group="more", pair_id="0",
        tags=("crows_pairs", "bias:age", "direction:stereo"),
    )  # fmt: skip
    assert [(p.id, p.group, p.pair_id) for p in loaded.prompts[1:]] == [
        ("0-less", "less", "0"),
        ("1-more", "more", "1"),
        ("1-less", "less", "1"),
    ]
    assert (loaded.licence, loaded.version) == ("CC BY-SA 4.0 (as published)", loaded.sha256[:12])


def stereoset(task: str, name: str, context: str, *sentences: str) -> dict[str, Any]:
    labels = ("stereotype", "anti-stereotype", "unrelated")
    options = [
        {"sentence": text, "id": f"{name}-{i}", "labels": [], "gold_label": label}
        for i, (text, label) in enumerate(zip(sentences, labels, strict=True))
    ]
    example = {"id": name, "target": "cat", "bias_type": "profession", "context": context, "sentences": options}
    return {task: [example]}


def test_stereoset_scores_the_sentence_or_the_second_sentence(write: Write) -> None:
    within = stereoset(
        "intrasentence", "a", "The cat is BLANK.", "The cat is lazy.", "The cat is busy.", "The cat is tea."
    )
    after = stereoset("intersentence", "b", "My cat came.", "It slept.", "It worked.", "Tea is hot.")
    path = write("dev.json", json.dumps({"version": "1.1", "data": within | after}))
    prompts = {prompt.id: prompt for prompt in importers.load("stereoset", path).prompts}
    assert len(prompts) == 6
    assert prompts["a-stereotype"].text == scored_part(prompts["a-stereotype"]) == "The cat is lazy."
    assert prompts["b-unrelated"].text == "My cat came. Tea is hot."
    assert scored_part(prompts["b-unrelated"]) == " Tea is hot."
    assert prompts["b-anti-stereotype"].tags[:4] == ("stereoset", "intersentence", "bias:profession", "target:cat")


def test_winobias_finds_the_other_person_in_the_neighbouring_line(write: Write) -> None:
    write(
        "pro_stereotyped_type1.txt.dev",
        "1 [The baker] met the pilot when [she] sang.\n2 The baker met [the pilot] when [he] sang.\n",
    )
    write("anti_stereotyped_type1.txt.dev", "1 [The baker] met the pilot when [he] sang.\n")
    folder = write("male_occupations.txt", "pilot\n").parent
    prompts = {prompt.id: prompt for prompt in importers.load("winobias", folder).prompts}
    assert sorted(prompts) == sorted(
        f"type1-dev-{line}-{candidate}" for line in ("1-pro", "2-pro", "1-anti") for candidate in ("answer", "other")
    )
    first = prompts["type1-dev-1-pro-other"]
    assert first.text == 'The baker met the pilot when she sang. In this sentence, "she" refers to the pilot'
    assert (scored_part(first), first.group, first.pair_id) == (" the pilot", "pro", "type1-dev-1")
    assert scored_part(prompts["type1-dev-2-pro-answer"]) == " the pilot"
    assert prompts["type1-dev-1-anti-answer"].pair_id == first.pair_id


def test_winobias_leaves_out_who_it_cannot_find_and_says_so(write: Write) -> None:
    path = write(
        "pro_stereotyped_type2.txt.test", "1 [The baker] met the poet and [she] sang.\n3 [The cook] met [him].\n"
    )
    with pytest.raises(InputError, match="holds no prompts"):
        importers.load("winobias", path)
    write("female_occupations.txt", "baker\npoet\n")
    loaded = importers.load("winobias", path)
    assert [scored_part(prompt) for prompt in loaded.prompts] == [" the baker", " the poet"]
    assert "left out 1: sentences whose other person" in loaded.warnings[0]


TEMPLATES = (
    "occupation(0)\tother-participant(1)\tanswer\tsentence\n"
    "baker\tguest\t0\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN was done with $POSS_PRONOUN tea.\n"
)


def test_winogender_fills_templates_as_the_published_sentences_are(write: Write) -> None:
    templates = write("templates.tsv", TEMPLATES)
    made = importers.load("winogender", templates).prompts
    assert len(made) == 2 * 3 * 2  # guest or someone, three genders, two candidates
    texts = {prompt.id: prompt.text for prompt in made}
    assert texts["baker.someone.0.neutral-participant"] == (
        'The baker told someone that they were done with their tea. In this sentence, "they" refers to someone'
    )
    sentences = write(
        "all_sentences.tsv",
        "sentid\tsentence\nbaker.guest.0.female.txt\tThe baker told the guest that she was done with her tea.\n",
    )
    write("occupations-stats.tsv", "occupation\tbergsma_pct_female\tbls_pct_female\tbls_year\nbaker\t50\t60.5\t2015\n")
    read = importers.load("winogender", sentences.parent).prompts
    assert [prompt.text for prompt in read] == [texts[prompt.id] for prompt in read]
    assert read[0].tags[:5] == ("winogender", "occupation:baker", "participant:guest", "answer:occupation", "bls:60.5")
    assert (read[0].group, read[0].pair_id, scored_part(read[1])) == ("female", "baker.guest.0", " the guest")


def bbq(groups: list[str], info: list[list[str]], **more: Any) -> dict[str, Any]:
    return {
        "example_id": 7, "question_index": "3", "question_polarity": "neg", "context_condition": "ambig",
        "category": "Age", "answer_info": {f"ans{i}": pair for i, pair in enumerate(info)},
        "additional_metadata": {"subcategory": "None", "stereotyped_groups": groups, "version": "a", "source": "x"},
        "context": "Two cats sat there.", "question": "Who slept?", "ans0": "The old cat", "ans1": "Not known",
        "ans2": "The young cat", "label": 1, **more,
    }  # fmt: skip


def test_bbq(write: Write) -> None:
    info = [["old cat", "old"], ["Not known", "unknown"], ["young cat", "nonOld"]]
    loaded = importers.load("bbq", write("Age.jsonl", lines(bbq(["old"], info))))
    assert [prompt.group for prompt in loaded.prompts] == ["target", "unknown", "nontarget"]
    assert ["correct" in prompt.tags for prompt in loaded.prompts] == [False, True, False]
    third = loaded.prompts[2]
    assert third.text == (
        "Context: Two cats sat there.\nQuestion: Who slept?\nOptions: The old cat; Not known; The young cat.\n"
        "Answer: The young cat"
    )
    assert (third.id, third.pair_id, scored_part(third)) == ("Age-7-2", "Age-7", " The young cat")
    assert {"category:Age", "condition:ambig", "polarity:neg", "template:Age-3"} < set(third.tags)


@pytest.mark.parametrize(
    ("groups", "kinds", "roles"),
    [
        (["F"], ["woman", "unknown", "man"], ["target", "unknown", "nontarget"]),  # spelled differently
        (["nonOld"], ["old", "unknown", "nonOld"], ["nontarget", "unknown", "target"]),  # not a part of the word
        (["Utopian"], ["North", "unknown", "South"], ["target", "unknown", "nontarget"]),  # by the answer's text
        (["a", "b"], ["a", "unknown", "b"], ["person", "unknown", "person"]),  # both
        (["c"], ["a", "unknown", "b"], ["person", "unknown", "person"]),  # neither
    ],
)
def test_bbq_target_of_the_stereotype(write: Write, groups: list[str], kinds: list[str], roles: list[str]) -> None:
    info = [[text, kind] for text, kind in zip(["Utopian", "x", "y"], kinds, strict=True)]
    loaded = importers.load("bbq", write("a.jsonl", lines(bbq(groups, info))))
    assert [prompt.group for prompt in loaded.prompts] == roles


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


def test_a_format_is_found_in_either_spelling(write: Write) -> None:
    path = write("a.csv", ",sent_more,sent_less,stereo_antistereo,bias_type\n0,x,y,stereo,age\n")
    assert importers.load("crows-pairs", path).name == "crows_pairs"
    assert importers.split_name(f"crows-pairs:{path}") == ("crows_pairs", str(path))
