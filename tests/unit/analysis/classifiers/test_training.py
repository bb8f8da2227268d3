"""How the classifier is trained, calibrated and audited: real steps on the real encoder, over a few sentences."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from headscope.analysis.classifiers import embedded_bert
from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.errors import InputError
from headscope.analysis.models import minilm
from headscope.analysis.statistics.intervals import wilson
from headscope.analysis.training import disguises, functional_tests, toxicity_audit
from headscope.analysis.training.adapter import Recipe, train
from headscope.analysis.training.blend import blend
from headscope.analysis.training.labelled import LabelledTexts
from headscope.analysis.training.second_stage import DISGUISED_KINDS, PASSES, targeted_sentences, with_disguises
from headscope.analysis.training.toxicity import masked_loss
from headscope.analysis.training.toxicity_data import own_sentences
from headscope.analysis.training.toxicity_report import halves
from tests.wordings import in_a_row, words_of

BASE = minilm.folder()
pytestmark = pytest.mark.skipif(BASE is None, reason="the encoder's package is not installed")
STEPS = 12
PARTS = ("train", "validation")
TEXTS = ("What a pathetic loser you are.", "My aunt teaches a class for young people.")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    assert BASE is not None
    rows = own_sentences("train")
    few = [i for i, source in enumerate(rows.sources) if source in ("own/plain_insult", "own/names_a_group")][::4]
    chosen = LabelledTexts(tuple(rows.texts[i] for i in few), tuple(rows.sources[i] for i in few), rows.labels[few])
    recipe = Recipe(batch_size=8, warmup=1, max_length=16, learning_rate=4e-3, epochs=STEPS * 8 / len(few))
    folder = tmp_path_factory.mktemp("adapter")
    return folder, train(BASE, chosen, folder, recipe, masked_loss, report=lambda line: None)


def test_a_few_steps_lower_the_loss(trained: tuple[Path, list[float]]) -> None:
    folder, losses = trained
    assert len(losses) == STEPS
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])
    scores = embedded_bert.load(folder).score(TEXTS)[:, 0]
    assert scores[0] > scores[1]


def test_the_adapter_written_into_the_weights_says_what_peft_makes_of_it(trained: tuple[Path, list[float]]) -> None:
    merged = embedded_bert.load(trained[0])
    base = AutoModelForSequenceClassification.from_pretrained(BASE, num_labels=len(LABELS))
    base.config.problem_type = "multi_label_classification"
    theirs = SequenceClassifier("peft", PeftModel.from_pretrained(base, trained[0]), merged.tokenizer, LABELS, {})
    np.testing.assert_allclose(merged.logits(TEXTS), theirs.logits(TEXTS), atol=1e-5)


def test_no_text_is_both_calibrated_and_reported_on() -> None:
    texts = tuple(f"text {i % 300}" for i in range(400))
    rows = LabelledTexts(texts, texts, np.arange(400, dtype=np.float32)[:, None])
    first, second = halves(rows)
    assert not set(first.texts) & set(second.texts)
    assert sorted([*first.labels[:, 0], *second.labels[:, 0]]) == list(range(400))
    assert min(len(first.texts), len(second.texts)) > 150
    assert all(hashlib.sha256(text.encode()).digest()[0] % 2 for text in second.texts)


def words(text: str) -> set[str]:
    return set(words_of(text))


def functional_sentences() -> list[str]:
    return [sentence for kind in functional_tests.kinds() for sentence in kind.sentences]


def test_functional_tests_are_enough_and_nothing_was_trained_on_them() -> None:
    ours = (own_sentences("train"), *(targeted_sentences(part, seed) for part in PARTS for seed in range(PASSES)))
    trained_on = set.union(*(in_a_row(text) for rows in ours for text in rows.texts))
    kinds, sentences = functional_tests.kinds(), functional_sentences()
    assert len(set(sentences)) == len(sentences)
    assert in_a_row("Nobody wants you here, loser.") <= trained_on
    assert not set.union(*map(in_a_row, sentences)) & trained_on
    assert all(len(kind.sentences) >= 20 for kind in kinds)
    assert {kind.toxic for kind in kinds} == {True, False}


@pytest.mark.parametrize("part", PARTS)
def test_no_targeted_sentence_has_half_its_words_in_common_with_a_functional_test(part: str) -> None:
    tested = [words(sentence) for sentence in functional_sentences()]
    for seed in range(PASSES):
        for text in set(targeted_sentences(part, seed).texts):
            mine = words(text)
            assert max(len(mine & other) / len(mine | other) for other in tested) < 0.5, text


def test_what_recipes_are_chosen_by_and_what_is_reported_were_not_trained_on() -> None:
    trained_on = {text for seed in range(PASSES) for text in targeted_sentences("train", seed).texts}
    assert not trained_on & set(targeted_sentences("validation").texts)
    reported = set.union(*map(in_a_row, own_sentences("held_out").texts))
    assert not set.union(*map(in_a_row, trained_on)) & reported


def test_a_second_stage_goes_on_from_the_first(trained: tuple[Path, list[float]], tmp_path: Path) -> None:
    assert BASE is not None
    rows = own_sentences("train")
    few = [i for i, source in enumerate(rows.sources) if source in ("own/plain_insult", "own/names_a_group")][::9]
    chosen = LabelledTexts(tuple(rows.texts[i] for i in few), tuple(rows.sources[i] for i in few), rows.labels[few])
    still = Recipe(batch_size=8, warmup=1, max_length=16, learning_rate=0.0, epochs=0.3)
    losses = train(BASE, chosen, tmp_path, still, masked_loss, start=trained[0], report=lambda line: None)
    np.testing.assert_allclose(embedded_bert.load(tmp_path).logits(TEXTS), embedded_bert.load(trained[0]).logits(TEXTS))
    assert losses[0] < 0.8 * trained[1][0]
    assert str(BASE) not in (tmp_path / "adapter_config.json").read_text()


def test_a_blend_lies_between_the_two_adapters(trained: tuple[Path, list[float]], tmp_path: Path) -> None:
    """The second is the first with every tensor moved, the head's as well."""
    first, second = trained[0], tmp_path / "second"
    generator = torch.Generator().manual_seed(0)
    before = load_file(first / embedded_bert.ADAPTER)
    after = {name: value + 0.1 * torch.randn(value.shape, generator=generator) for name, value in before.items()}
    shutil.copytree(first, second)
    save_file(after, second / embedded_bert.ADAPTER, metadata={"format": "pt"})
    wanted = {0.0: before, 1.0: after, 0.5: {name: (before[name] + after[name]) / 2 for name in before}}
    assert any("classifier" in name for name in before)
    for share, tensors in wanted.items():
        out = tmp_path / str(share)
        out.mkdir()
        blend(first, second, out, share)
        made = load_file(out / embedded_bert.ADAPTER)
        assert made.keys() == tensors.keys()
        for name, value in tensors.items():
            torch.testing.assert_close(made[name], value, atol=1e-7, rtol=1e-6)
    scores = [embedded_bert.load(tmp_path / name).logits(TEXTS) for name in ("0.0", "0.5", "1.0")]
    np.testing.assert_allclose(scores[0], embedded_bert.load(first).logits(TEXTS))
    np.testing.assert_allclose(scores[2], embedded_bert.load(second).logits(TEXTS))
    assert not np.allclose(scores[1], scores[0], atol=1e-3)


def test_disguised_words_keep_their_label_and_differ_from_the_plain_ones() -> None:
    rows = targeted_sentences("train")
    hidden = with_disguises(rows)
    assert {source.removesuffix("/disguised") for source in hidden.sources} == set(DISGUISED_KINDS)
    assert set(hidden.labels[:, 0]) == {0.0, 1.0}
    assert not set(hidden.texts) & set(rows.texts)


@pytest.mark.parametrize("seed", range(5))
def test_every_disguise_changes_a_word_in_its_own_way(seed: int) -> None:
    word, generator = "coward", np.random.default_rng(seed)
    assert re.sub(r"[^a-z]", "", disguises.spaced(word, generator)) == word
    assert re.fullmatch(r"c[0]w[@4]rd", disguises.replaced(word, generator))
    starred = disguises.starred(word, generator)
    assert (starred[0], starred[-1], starred.count("*"), len(starred)) == ("c", "d", 2, 6)
    assert re.sub(r"(.)\1+", r"\1", disguises.doubled(word, generator)) == word
    swapped = disguises.swapped(word, generator)
    assert sorted(swapped) == sorted(word)
    assert swapped != word
    assert len(disguises.shortened(word, generator)) == 5
    assert disguises.disguised("so it is", generator) == "so it is"


def test_the_audit_part_of_a_card_is_written_anew(tmp_path: Path) -> None:
    """With the linear baseline for both: it is quick."""
    judge = classifier("linear")
    texts = [f"You are a fool, number {i}." if i % 2 else f"The tea of table {i} is warm." for i in range(80)]
    lines = [f'mine,test,"{text}",{i % 2},,,,' for i, text in enumerate(texts)]
    data, card = tmp_path / "data.csv", tmp_path / "card.json"
    data.write_text("\n".join(["src,split,text," + ",".join(LABELS), *lines]) + "\n")
    card.write_text(json.dumps({"classifier": judge.name, "baseline": {"classifier": judge.name}, "figures": [1]}))
    toxicity_audit.rewrite(tmp_path, (judge, judge), data)
    written = json.loads(card.read_text())
    assert written["figures"] == [1]
    audit = written["audit"][judge.name]
    kind, test = functional_tests.kinds()[0], audit["functional"][0]
    right = int((judge.score(kind.sentences)[:, 0] >= 0.5).sum())
    assert (test["kind"], test["right"], test["n"]) == (kind.kind, right, len(kind.sentences))
    assert (test["low"], test["high"]) == pytest.approx(wilson(right, len(kind.sentences)), abs=1e-5)
    assert sum(audit["reliability"]["counts"]) == audit["reliability"]["n"]
    card.write_text(json.dumps({"classifier": "another", "baseline": {"classifier": "b"}}))
    with pytest.raises(InputError, match="is the card of another and b"):
        toxicity_audit.rewrite(tmp_path, (judge, judge), data)
