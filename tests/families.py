"""Tiny random models of many families of causal models, built on this machine, all with the tokenizer of tiny GPT-2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

PLAIN = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GROUPED = PLAIN | {"num_key_value_heads": 2, "head_dim": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
MAMBA = {"hidden_size": 32, "num_hidden_layers": 3, "state_size": 4}

FAMILIES: dict[str, dict[str, Any]] = {
    "Qwen2Config": GROUPED,
    "Qwen3Config": GROUPED,
    "MistralConfig": GROUPED | {"sliding_window": 4},
    "MixtralConfig": GROUPED | {"num_local_experts": 4},
    "Phi3Config": GROUPED | {"sliding_window": 4},
    "GptOssConfig": GROUPED | {"num_local_experts": 4, "sliding_window": 4},
    "GPTNeoXConfig": PLAIN,
    "OPTConfig": {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
                  "word_embed_proj_dim": 32, "max_position_embeddings": 64},
    "GPTNeoConfig": {"hidden_size": 32, "num_layers": 3, "num_heads": 4, "window_size": 4,
                     "max_position_embeddings": 64, "attention_types": [[["global", "local"], 1], [["global"], 1]]},
    "Gemma2Config": GROUPED | {"sliding_window": 4},  # norms after the sublayers, capped logits
    "Gemma3TextConfig": GROUPED | {"sliding_window": 4},
    "Olmo2Config": GROUPED,
    "CohereConfig": GROUPED | {"logit_scale": 0.25},
    "GraniteConfig": GROUPED | {"logits_scaling": 4.0, "residual_multiplier": 0.5},
    "BloomConfig": {"hidden_size": 32, "n_layer": 3, "n_head": 4},  # adds the residual inside
    "FalconConfig": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4},
    "MptConfig": {"d_model": 32, "n_layers": 3, "n_heads": 4, "max_seq_len": 64},
    "CTRLConfig": {"n_embd": 32, "dff": 64, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "MambaConfig": MAMBA,
    "RwkvConfig": {"hidden_size": 32, "num_hidden_layers": 3, "attention_hidden_size": 32, "context_length": 64},
    "JambaConfig": GROUPED | {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "mamba_d_state": 4,
                              "mamba_dt_rank": 4, "use_mamba_kernels": False},
    "Qwen3NextConfig": GROUPED | EXPERTS | LINEAR | {
        "shared_expert_intermediate_size": 32,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"]},
    "Lfm2Config": GROUPED | {"layer_types": ["conv", "full_attention", "conv"]},
    "OpenAIGPTConfig": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "ElectraConfig": PLAIN | {"is_decoder": True},
    "BertGenerationConfig": PLAIN,
}  # fmt: skip


def build(folder: Path, tokenizer_dir: Path, name: str, settings: dict[str, Any] | None = None) -> Path:
    """A model of the family whose config class is `name`, saved in `folder`; 400 tokens, 3 layers."""
    special = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = getattr(transformers, name)(
        vocab_size=400, **special, **(FAMILIES[name] if settings is None else settings)
    )
    config.initializer_range = 0.1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = transformers.AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:  # norm weights are born as 1 and biases as 0, which would hide a forgotten one
                    parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((tokenizer_dir / file).read_bytes())
    return folder
