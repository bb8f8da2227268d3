"""Tokenizers that are neither byte-level nor sentencepiece, and those that do not fit their model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.running import runner
from headscope.analysis.types import GenerationParams, Prompt, RunResult, RunSpec, RunStatus
from tests import tiny_models
from tests.tiny_models import SENTENCES

TEXT = "the fox went out of the garden"


def wordlevel() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(SENTENCES, trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]")


def wordpiece() -> PreTrainedTokenizerFast:
    specials = ["[UNK]", "[CLS]", "[SEP]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=specials, show_progress=False)
    made.train_from_iterator(SENTENCES, trainer)
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


def suffix() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=200, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    made.decoder = decoders.BPEDecoder(suffix="</w>")
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


MAKERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "wordlevel": wordlevel, "wordpiece": wordpiece, "suffix": suffix,
}  # fmt: skip


def load(folder: Path, tokenizer: PreTrainedTokenizerFast, n_embeddings: int | None = None) -> HFCausalBackend:
    size = len(tokenizer) if n_embeddings is None else n_embeddings
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20)
        config = GPT2Config(vocab_size=size, n_positions=64, n_embd=32, n_layer=2, n_head=4, initializer_range=0.2)
        config.bos_token_id = config.eos_token_id = None
        GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return HFCausalBackend.load(str(folder))


def run(backend: HFCausalBackend, *analyses: str, prompt: Prompt | None = None) -> RunResult:
    spec = RunSpec(backend.info.ref, (), analyses, generation=GenerationParams(8))
    return runner.run_batch(backend, spec, [prompt or Prompt("a", TEXT)])[0]


@pytest.mark.parametrize("name", MAKERS)
def test_tokens_are_spelled_by_the_tokenizers_own_decoder(tmp_path: Path, name: str) -> None:
    tokenizer = MAKERS[name]()
    backend = load(tmp_path, tokenizer)
    result = run(backend, "logit_lens")
    assert result.trace is not None
    assert result.lens is not None
    assert result.continuation is not None
    assert "".join(result.trace.tokens.texts) == TEXT
    ids = [*result.trace.tokens.ids.tolist(), *result.continuation.ids.tolist()]
    whole = tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=False)
    assert whole.removeprefix("[CLS] ") == TEXT + result.continuation.text
    assert "".join(result.continuation.texts) == result.continuation.text
    assert len(result.continuation.texts) == len(result.continuation.ids)
    shown = [*result.trace.topk_texts[-1], *result.lens.top_texts[0]]
    given = [*result.trace.topk_ids[-1].tolist(), *result.lens.top_ids[0].tolist()]
    for text, token in zip(shown, given, strict=True):
        assert "##" not in text
        assert "</w>" not in text
        spelled = tokenizer.backend_tokenizer.decode([token], skip_special_tokens=False)
        assert text.strip() == spelled.removeprefix("##")


@pytest.mark.parametrize(("name", "word", "part"), [("wordlevel", " fox", None), ("wordpiece", " the", "en")])
def test_a_word_has_its_space_and_a_part_has_none(tmp_path: Path, name: str, word: str, part: str | None) -> None:
    tokenizer = MAKERS[name]()
    backend = load(tmp_path, tokenizer)
    vocabulary = tokenizer.get_vocab()
    assert backend.decode([vocabulary[word.strip()]]) == [word]
    if part is not None:
        assert backend.decode([vocabulary[f"##{part}"]]) == [part]


def test_a_marked_end_of_word_is_a_space_behind_it(tmp_path: Path) -> None:
    tokenizer = suffix()
    backend = load(tmp_path, tokenizer)
    vocabulary = tokenizer.get_vocab()
    assert backend.decode([vocabulary["the</w>"], vocabulary["t"]]) == ["the ", "t"]


def test_an_added_token_is_written_as_its_decoder_writes_it(tmp_path: Path) -> None:
    tokenizer = tiny_models._byte_fallback_tokenizer()
    tokenizer.add_tokens(["▁<middle>"])
    backend = load(tmp_path, tokenizer)
    token = tokenizer.get_vocab()["▁<middle>"]
    assert backend.decode([token]) == [" <middle>"]
    assert tokenizer.backend_tokenizer.decode([5, token]).endswith(" <middle>")


@pytest.mark.parametrize("name", MAKERS)
def test_without_a_line_break_integrated_gradients_start_from_the_mean_and_say_so(tmp_path: Path, name: str) -> None:
    backend = load(tmp_path, MAKERS[name]())
    (found,) = run(backend, "integrated_gradients").attributions
    assert found.error is None
    assert found.params["baseline"] == "newline"
    assert found.outcome.facts["baseline used"] == "mean: this model's vocabulary has no newline token"
    assert np.isfinite(found.scores[1:]).all()


@pytest.fixture
def not_resized(tmp_path: Path) -> HFCausalBackend:
    tokenizer = tiny_models._byte_level_tokenizer()
    size = len(tokenizer)
    tokenizer.add_tokens(["<tool>"], special_tokens=True)
    return load(tmp_path, tokenizer, size)


def test_tokens_without_an_embedding_are_warned_of_before_anything_runs(not_resized: HFCausalBackend) -> None:
    spec = RunSpec(not_resized.info.ref, (Prompt("a", TEXT),), ("saliency",))
    told = runner.planned(not_resized, spec, 1).needs.warning
    assert "the tokenizer has 1 token ('<tool>') beyond the model's" in told
    assert told in run(not_resized).capsule["notes"]
    assert run(not_resized).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("role", "prompt"),
    [
        ("prompt", Prompt("a", "call <tool> now")),
        ("target", Prompt("a", "call", "<tool>")),
        ("foil", Prompt("a", "call", " the", "<tool>")),
    ],
)
def test_a_prompt_with_such_a_token_fails_with_a_sentence(
    not_resized: HFCausalBackend, role: str, prompt: Prompt
) -> None:
    result = run(not_resized, "saliency", prompt=prompt)
    assert (result.status, result.error_kind) == (RunStatus.FAILED, "no_embedding")
    assert result.error is not None
    assert result.error.startswith(f"the {role} holds the token '<tool>'")
