"""A model folder into memory, and what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from headscope.analysis.backends.structure import Structure
from headscope.analysis.counts import plural
from headscope.analysis.errors import BackendError, message
from headscope.analysis.models import devices, fingerprints, sources
from headscope.analysis.models.places import ResolvedModel
from headscope.analysis.types import ModelInfo, ModelRef

_NO_LIMIT = 1_000_000


def load_folder(path: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Model and tokenizer of a folder, quietly, from safetensors only, without running code of the folder.

    With eager attention where that cannot be asked for later (Falcon). Raises BackendError.
    """
    logs: Any = transformers_logging
    bar = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        config = AutoConfig.from_pretrained(path, **options)
        if not _attention_can_be_set(config):
            options["attn_implementation"] = "eager"
        options |= {"dtype": dtype, "use_safetensors": True, "output_loading_info": True}
        loaded: Any = AutoModelForCausalLM.from_pretrained(path, **options)
    except Exception as error:  # whatever transformers raises here, the folder cannot be loaded
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackendError(f"the model in {path} could not be loaded: {reason}") from error
    finally:
        if bar:
            logs.enable_progress_bar()
    model, loading = loaded
    missing = sorted(loading["missing_keys"])
    if missing:
        raise BackendError(
            f"the weights in {path} lack {plural(len(missing), 'tensor')} ({', '.join(missing[:3])}), "
            "which would stay random: "
            "the download is incomplete or the config belongs to another model."
        )
    return model, tokenizer


def _attention_can_be_set(config: Any) -> bool:
    family: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return family is None or bool(family._can_set_attn_implementation())


def check_memory(resolved: ResolvedModel, dtype: str, device: str) -> None:
    """Raises BackendError when the weights would not fit into what is free: here, where they are read, and there."""
    needed = sources.memory_needed(resolved.path, dtype)
    for place in dict.fromkeys(["cpu", device]):
        available = devices.free_bytes(torch.device(place))
        if needed > available:
            raise BackendError(
                f"{resolved.name} needs about {needed / 1e9:.1f} GB in {dtype} and {available / 1e9:.1f} GB are free"
                f"{'' if place == 'cpu' else f' on {place}'}: use a smaller model, close other programs, or try dtype "
                "bfloat16."
            )


def placed(model: Any, device: str, name: str) -> Any:
    """The model, moved to the device. Raises BackendError."""
    try:
        return model.to(device)
    except Exception as error:  # whatever the driver raises
        raise BackendError(
            f"{name} could not be moved to {device} ({message(error).splitlines()[0]}): use a smaller model or another "
            "dtype, or leave out --device to compute on the CPU."
        ) from error


def info_of(model: Any, structure: Structure, tokenizer: Any, resolved: ResolvedModel, dtype: str) -> ModelInfo:
    """What the loaded model is."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", 0)  # none in a state-space model
    ref = ModelRef(resolved.name, resolved.revision, "hf_causal", dtype, fingerprints.weights_sha256(resolved.path))
    return ModelInfo(
        ref=ref,
        architecture=type(model).__name__,
        n_layers=len(structure.layers),
        n_heads=heads,
        n_kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        d_model=config.hidden_size,
        vocab_size=config.vocab_size,
        context_length=_context_length(config, tokenizer),
        n_params=sum(parameter.numel() for parameter in model.parameters()),
        tokenizer_sha256=fingerprints.tokenizer_sha256(resolved.path),
        source=resolved.source,
        path=str(resolved.path),
    )


def _context_length(config: Any, tokenizer: Any) -> int:
    """Positions the model has; for one without a position table (ALiBi) what its tokenizer declares."""
    for name in ("max_position_embeddings", "seq_length", "max_seq_len"):
        if getattr(config, name, None):
            return int(getattr(config, name))
    return min(int(getattr(tokenizer, "model_max_length", _NO_LIMIT)), _NO_LIMIT)


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens at which a continuation ends."""
    declared = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = declared if isinstance(declared, list) else [declared]
    return frozenset(int(token) for token in (*found, tokenizer.eos_token_id) if token is not None)
