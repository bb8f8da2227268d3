"""Tiny models with real architectures and real tokenizers, built on this machine in a second, the same bytes each time.

They speak no language; they have everything else: several layers and heads, grouped-query attention, a byte-level BPE
tokenizer that splits emoji (GPT-2), and a sentencepiece-like one with byte fallback and a BOS token (Llama). The
initial weights are wide, so that attention and logits are far from uniform and a wrong mask or position shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Tokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

CONTEXT = 64
N_LAYERS = 3
N_HEADS = 4
N_KV_HEADS = 2
D_MODEL = 32
VOCAB_SIZE = 400

SENTENCES = (
    "The quick fox found a small door in the garden wall and went through it.",
    "When the rain stopped, the children ran out of the house and into the street.",
    "The baker said that the bread was ready, but the bread was not ready at all.",
    "Anna gave the letter to Peter, and Peter gave the letter to the old captain.",
    "One two three four five six seven eight nine ten, one two three four five.",
    "The capital of the country lies on the river; the river runs to the sea.",
    "She thinks that he thinks that the train is late because of the snow.",
    "A doctor, a nurse and a teacher walked into the room and sat down.",
)


def build_tiny_gpt2(folder: Path) -> Path:
    """GPT-2 architecture: 3 layers, 4 heads, d 32, context 64, byte-level BPE; saved as safetensors in `folder`."""
    tokenizer = _byte_level_tokenizer()
    config = GPT2Config(**_sizes(tokenizer), bos_token_id=tokenizer.eos_token_id)
    return _saved(GPT2LMHeadModel, config, tokenizer, folder, seed=20)


def build_tiny_llama(folder: Path) -> Path:
    """Llama architecture: 3 layers, 4 heads over 2 key-value heads, d 32, context 64, RMSNorm, a BOS token."""
    tokenizer = _byte_fallback_tokenizer()
    return _saved_llama(tokenizer, tokenizer.bos_token_id, folder, seed=30)


def build_worded_llama(folder: Path, texts: Iterable[str]) -> Path:
    """The same sizes with words of `texts` as tokens, so that two names begin with different ones."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=4000, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet,
                                  show_progress=False)  # fmt: skip
    trained.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, eos_token="<|endoftext|>")
    return _saved_llama(tokenizer, tokenizer.eos_token_id, folder, seed=31)


def _saved_llama(tokenizer: PreTrainedTokenizerBase, bos: int | None, folder: Path, *, seed: int) -> Path:
    config = LlamaConfig(
        **_sizes(tokenizer),
        intermediate_size=2 * D_MODEL,
        num_key_value_heads=N_KV_HEADS,
        bos_token_id=bos,
        pad_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=False,
    )
    return _saved(LlamaForCausalLM, config, tokenizer, folder, seed=seed)


def _sizes(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What both have, by the names that every config takes."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": D_MODEL,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": N_HEADS,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.2,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _saved(
    architecture: type[PreTrainedModel],
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    seed: int,
) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = architecture(config)
        _fill_norms_and_biases(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _fill_norms_and_biases(model: torch.nn.Module) -> None:
    """Norm weights are born as 1 and biases as 0, which would hide a forgotten one."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(1.0 if name.endswith("weight") else 0.0, 0.1)


def _byte_level_tokenizer() -> GPT2Tokenizer:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(SENTENCES, trainer)
    vocab, merges = _vocab_and_merges(trained)
    return GPT2Tokenizer(vocab=vocab, merges=merges)


def _byte_fallback_tokenizer() -> PreTrainedTokenizerFast:
    specials = ["<unk>", "<s>", "</s>"]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE - 256, special_tokens=specials, show_progress=False)
    trained.train_from_iterator(SENTENCES, trainer)
    learnt, merges = _vocab_and_merges(trained)
    tokens = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), *(t for t in learnt if t not in specials)]
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocab["<s>"])]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", model_max_length=CONTEXT
    )


def _vocab_and_merges(tokenizer: Tokenizer) -> tuple[dict[str, int], list[tuple[str, str]]]:
    model = json.loads(tokenizer.to_str())["model"]
    vocab: dict[str, int] = model["vocab"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    return vocab, merges
