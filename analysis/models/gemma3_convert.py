"""A Gemma 3 that llama.cpp reads (GGUF) as the folder that transformers reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headscope.analysis.models import gguf_weights

_LOCAL_THETA = 10_000.0
"""Base of the rotary embedding in layers of local attention, which the file leaves out."""
_PATTERN = 6
"""Every so many layers one attends to everything, the others to the last `sliding_window` tokens."""
_CONTROL, _USER = 3, 4  # tokenizer.ggml.token_type
_NORMS = {
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def convert(source: Path, target: Path) -> None:
    """Write config.json, tokenizer files and float32 model.safetensors for a Gemma 3 GGUF into `target`."""
    from gguf import GGUFReader

    reader = GGUFReader(source)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    (target / "config.json").write_text(json.dumps(_config(facts), indent=1))
    _write_tokenizer(facts, target)
    gguf_weights.write(
        reader.tensors,
        _NORMS,
        lambda name, values: values - 1 if "norm" in name else values,  # transformers scales by one plus the weight
        target / "model.safetensors",
    )


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    layers, width = facts["gemma3.block_count"], facts["gemma3.attention.key_length"]
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": facts["gemma3.embedding_length"],
        "intermediate_size": facts["gemma3.feed_forward_length"],
        "num_hidden_layers": layers,
        "num_attention_heads": facts["gemma3.attention.head_count"],
        "num_key_value_heads": facts["gemma3.attention.head_count_kv"],
        "head_dim": width,
        "query_pre_attn_scalar": width,
        "max_position_embeddings": facts["gemma3.context_length"],
        "rms_norm_eps": round(facts["gemma3.attention.layer_norm_rms_epsilon"], 8),  # stored as float32
        "sliding_window": facts["gemma3.attention.sliding_window"],
        "layer_types": ["sliding_attention" if (i + 1) % _PATTERN else "full_attention" for i in range(layers)],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": facts["gemma3.rope.freq_base"]},
            "sliding_attention": {"rope_type": "default", "rope_theta": _LOCAL_THETA},
        },
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def _write_tokenizer(facts: Mapping[str, Any], target: Path) -> None:
    """SentencePiece's BPE as `tokenizers` does it: merges in the order of the pieces' scores, unknown characters as
    bytes, a start token before every text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers.convert_slow_tokenizer import generate_merges

    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    kinds: list[int] = facts["tokenizer.ggml.token_type"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    whole = [token for token, kind in zip(tokens, kinds, strict=True) if kind in {_CONTROL, _USER}]
    scores = dict(zip(tokens, facts["tokenizer.ggml.scores"], strict=True))
    named = {
        f"{kind}_token": tokens[facts[f"tokenizer.ggml.{key}_token_id"]]
        for kind, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown"))
    }
    merges = generate_merges(vocabulary, scores, skip_tokens=whole)
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=named["unk_token"], fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    start = named["bos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(f"{start} $A", special_tokens=[(start, vocabulary[start])])
    special = {token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL}
    tokenizer.add_tokens([AddedToken(token, special=token in special, normalized=False) for token in whole])
    tokenizer.save(str(target / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": facts["gemma3.context_length"],
        "clean_up_tokenization_spaces": False,
        **named,
    }
    (target / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))
