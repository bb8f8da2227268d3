"""Every prompt set that comes along: what its header promises, and what a set of its kind must be like."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from headscope.analysis.errors import HeadscopeError, InputError, UnknownNameError
from headscope.analysis.types import Prompt
from headscope.datasets import prompt_sets
from headscope.datasets.canonical import canonical_line, canonical_sha256

INFOS = {info.name: info for info in prompt_sets.list_sets()}
WITHOUT_TARGETS = {"bias_continuations", "bias_sentences", "knowledge_boundary"}
TOPICS = sorted(INFOS.keys() - {"demo", "demo_people", "demo_failures", "demo_gradients", "evidence", "edge_cases"})
ASKING = sorted(set(TOPICS) - WITHOUT_TARGETS)
PAIRED = ["indirect_object", "negation", "occupation_gender", "subject_verb_agreement"]


@pytest.fixture(scope="session")
def smollm2_tokenizer() -> Tokenizer:
    """The embedded model's own tokenizer; no weights are read."""
    from headscope.analysis.models import places, sources

    return Tokenizer.from_file(str(Path(sources.resolve(places.EMBEDDED_NAME).path) / "tokenizer.json"))


def test_the_sets_the_project_promises_are_there() -> None:
    assert {
        "factual_recall",
        "indirect_object",
        "induction",
        "negation",
        "occupation_gender",
        "subject_verb_agreement",
    } <= set(TOPICS)


@pytest.mark.parametrize("name", sorted(INFOS))
def test_header_is_complete_and_true(name: str) -> None:
    info, loaded = INFOS[name], prompt_sets.load(name)
    for field in (info.version, info.licence, info.purpose, info.provenance):
        assert field.strip()
    assert info.licence == "CC0-1.0"
    assert loaded.sha256 == info.sha256 == canonical_sha256(loaded.prompts)
    assert len(loaded.prompts) == info.n_prompts
    assert (loaded.version, loaded.licence, loaded.purpose) == (info.version, info.licence, info.purpose)


@pytest.mark.parametrize("name", sorted(INFOS))
def test_ids_are_unique(name: str) -> None:
    ids = Counter(prompt.id for prompt in prompt_sets.load(name).prompts)
    assert max(ids.values()) == 1


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_has_30_to_250_short_prompts_without_doubles(name: str) -> None:
    prompts = prompt_sets.load(name).prompts
    assert 30 <= len(prompts) <= 250
    assert len({(prompt.text, prompt.target) for prompt in prompts}) == len(prompts)
    assert all(len(prompt.text.split()) <= 25 for prompt in prompts)


@pytest.mark.parametrize("name", TOPICS)
def test_prompts_are_written_cleanly(name: str) -> None:
    for prompt in prompt_sets.load(name).prompts:
        assert prompt.text == prompt.text.strip()
        assert "  " not in prompt.text
        assert prompt.tags


@pytest.mark.parametrize("name", ASKING)
def test_targets_and_foils_are_written_cleanly(name: str) -> None:
    for prompt in prompt_sets.load(name).prompts:
        assert prompt.target
        assert prompt.foil
        assert prompt.target != prompt.foil
        assert prompt.target.startswith(" ")
        assert prompt.foil.startswith(" ")


@pytest.mark.parametrize("name", ASKING)
def test_targets_and_foils_are_one_token(name: str, smollm2_tokenizer: Tokenizer) -> None:
    words = {word for prompt in prompt_sets.load(name).prompts for word in (prompt.target, prompt.foil)}
    split = [word for word in words if len(smollm2_tokenizer.encode(word, add_special_tokens=False).ids) != 1]
    assert split == []


def pairs(name: str) -> list[tuple[Prompt, Prompt]]:
    members = defaultdict(list)
    for prompt in prompt_sets.load(name).prompts:
        members[prompt.pair_id].append(prompt)
    assert None not in members
    assert all(len(pair) == 2 for pair in members.values())
    return [(first, second) for first, second in members.values()]


@pytest.mark.parametrize("name", PAIRED)
def test_every_pair_is_whole_and_its_members_differ(name: str) -> None:
    for first, second in pairs(name):
        assert first.text != second.text
        assert first.group
        assert second.group
        assert first.group != second.group
        assert {first.target, first.foil} == {second.target, second.foil}


@pytest.mark.parametrize("name", ["indirect_object", "occupation_gender", "subject_verb_agreement"])
def test_pairs_that_share_an_answer(name: str) -> None:
    assert all(first.target == second.target for first, second in pairs(name))


def test_negation_pairs_swap_target_and_foil() -> None:
    assert all((first.target, first.foil) == (second.foil, second.target) for first, second in pairs("negation"))


def test_agreement_pairs_differ_in_the_distractor_only() -> None:
    for first, second in pairs("subject_verb_agreement"):
        subject = first.text.split()[:2]
        assert subject == second.text.split()[:2]
        singular = "singular subject" in first.tags
        assert (first.target in {" is", " was", " has"}) is singular
        assert subject[1].endswith("s") is not singular


def test_an_irrelevant_sentence_stands_before_the_same_prompt_and_does_not_answer_it() -> None:
    for plain, distracted in pairs("irrelevant_context"):
        assert (plain.group, distracted.group) == ("plain", "distracted")
        assert (plain.target, plain.foil) == (distracted.target, distracted.foil)
        assert distracted.text.endswith(f". {plain.text}")
        sentence = distracted.text.removesuffix(plain.text)
        assert str(plain.target).strip().lower() not in sentence.lower()
        assert (str(plain.foil) in sentence) is ("names the foil" in plain.tags)


def test_a_reversed_relation_asks_for_what_the_other_direction_names() -> None:
    for forward, reverse in pairs("reversed_relation"):
        assert (forward.group, reverse.group) == ("forward", "reversed")
        for asked, told in ((forward, reverse), (reverse, forward)):
            assert str(asked.target).strip() in told.text
            assert str(asked.target).strip() not in asked.text.split()


@pytest.mark.parametrize("name", ["irrelevant_context", "reversed_relation"])
def test_detectors_have_thirty_pairs_at_least(name: str) -> None:
    assert len(pairs(name)) >= 30


def test_indirect_object_names_the_receiver_once_and_the_giver_twice() -> None:
    for prompt in prompt_sets.load("indirect_object").prompts:
        words = prompt.text.replace(",", "").split()
        receiver, giver = str(prompt.target).strip(), str(prompt.foil).strip()
        assert words.count(receiver) == 1
        assert words.count(giver) == 2
        assert (words.index(receiver) < words.index(giver)) is (prompt.group == "abba")


def test_induction_goes_on_as_it_went_before() -> None:
    """What followed the longest earlier copy of the prompt's end is the target."""
    for prompt in prompt_sets.load("induction").prompts:
        words = re.findall(r"\w+|[^\w\s]", prompt.text)
        copies = [
            (length, words[start + length])
            for length in range(1, len(words))
            for start in range(len(words) - length)
            if words[start : start + length] == words[-length:]
        ]
        longest = max(length for length, _ in copies)
        assert {word for length, word in copies if length == longest} == {str(prompt.target).strip()}, prompt.text
        assert str(prompt.foil).strip() in words


def test_demo_takes_whole_pairs_and_what_cannot_be_analysed() -> None:
    prompts = prompt_sets.load("demo").prompts
    counts = Counter(prompt.pair_id for prompt in prompts if prompt.pair_id)
    assert set(counts.values()) == {2}
    assert len([prompt for prompt in prompts if "fails" in prompt.tags]) == 3
    assert len(prompts) - 3 >= 300
    assert {prompt.id.split("/")[0] for prompt in prompts} == {prompt.tags[0] for prompt in prompts}


def test_evidence_takes_whole_pairs_that_all_have_a_target_and_a_foil() -> None:
    prompts = prompt_sets.load("evidence").prompts
    assert len(prompts) == 44
    assert all(prompt.target and prompt.foil for prompt in prompts)
    counts = Counter(prompt.pair_id for prompt in prompts if prompt.pair_id)
    assert set(counts.values()) == {2}


@pytest.mark.parametrize(
    ("demo", "parts"),
    [
        ("demo_people", ("bias_gender_occupation", "bias_coreference", "group_null")),
        ("demo_failures", ("irrelevant_context", "reversed_relation")),
    ],
)
def test_the_other_parts_of_the_demo_take_whole_sets(demo: str, parts: tuple[str, ...]) -> None:
    taken = Counter(prompt.tags[0] for prompt in prompt_sets.load(demo).prompts)
    assert taken == {name: INFOS[name].n_prompts for name in parts}


def test_a_changed_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in prompt_sets.DATA.glob("negation.*"):
        (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr(prompt_sets, "DATA", tmp_path)
    assert prompt_sets.load("negation").prompts
    jsonl = tmp_path / "negation.jsonl"
    jsonl.write_text(jsonl.read_text().replace("robin is a", "robin is the", 1))
    with pytest.raises(HeadscopeError, match="damaged"):
        prompt_sets.load("negation")


def test_unknown_names_say_what_is_there() -> None:
    with pytest.raises(UnknownNameError, match=r"'negatoin'.*negation.*ending"):
        prompt_sets.load("negatoin")
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        prompt_sets.load("nowhere.csv")


def test_a_folder_is_no_prompt_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        prompt_sets.load(str(tmp_path))


def test_canonical_line_by_hand() -> None:
    full = Prompt("é1", 'a "b"\n', " c", " d", "g", "p", ("x", "y"), "why")
    assert canonical_line(full) == (
        '{"foil":" d","group":"g","id":"é1","invalid":"why","pair_id":"p","tags":["x","y"],"target":" c",'
        '"text":"a \\"b\\"\\n"}'
    )
    assert json.loads(canonical_line(Prompt("1", ""))) == {"id": "1", "text": ""}


def test_the_documentation_lists_every_set_with_its_size() -> None:
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE))
    assert {name: int(count) for name, count in listed.items()} == {name: i.n_prompts for name, i in INFOS.items()}
