"""Published formats of bias and coreference, from miniature files in their layout; every sentence was written for these
tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headscope.analysis.errors import InputError
from headscope.analysis.types import Prompt
from headscope.datasets import importers
from tests.published_files import Write, lines, scored_part


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


def test_a_format_is_found_in_either_spelling(write: Write) -> None:
    path = write("a.csv", ",sent_more,sent_less,stereo_antistereo,bias_type\n0,x,y,stereo,age\n")
    assert importers.load("crows-pairs", path).name == "crows_pairs"
    assert importers.split_name(f"crows-pairs:{path}") == ("crows_pairs", str(path))
