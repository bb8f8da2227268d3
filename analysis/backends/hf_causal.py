"""Hugging Face causal language models on this machine, opened up for measuring.

Prompts are padded on the right and no padding mask is needed: with causal attention a real token sees only the tokens
before it, which are real. (Rows of padding compute something; nobody may read them.)
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from analysis import fingerprints, model_sources
from analysis.backends import sampling
from analysis.backends.heads import projection_weight
from analysis.backends.structure import Structure, discover
from analysis.backends.tokenization import TextCodec
from analysis.backends.visibility import has_sink, is_attention, visible_keys, watching_masks
from analysis.backends.watching import complete, last_hidden, watching
from analysis.errors import BackendError, InputError
from analysis.interfaces import Capabilities, Capture, ForwardResult, TokenBatch
from analysis.prefix import Prefix
from analysis.types import (
    Continuation,
    GenerationParams,
    ModelInfo,
    ModelRef,
    Params,
    Target,
    TokenizedText,
)
from analysis.unembedding import to_logits

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_NO_LIMIT = 1_000_000


class HFCausalBackend:
    """A CausalBackend (see `analysis.interfaces`) over a transformers model; GPT-2, Llama and their relatives."""

    def __init__(self, model: nn.Module, tokenizer: Any, resolved: model_sources.ResolvedModel, dtype: str) -> None:
        """Wrap a loaded model; `load` is the usual way in."""
        self.model = model.eval().requires_grad_(False)
        self.structure = discover(model)
        self._codec = TextCodec(tokenizer)
        self._stop = _stop_ids(model, tokenizer)
        self.device = next(model.parameters()).device
        self._fused = str(model.config._attn_implementation)  # type: ignore[union-attr]
        self.info = _info(model, self.structure, tokenizer, resolved, dtype)
        self.capabilities = self._find_capabilities()

    @classmethod
    def load(cls, name: str, dtype: str = "float32", device: str = "cpu") -> HFCausalBackend:
        """Load a model by name or folder (see `model_sources.resolve`).

        Raises BackendError: not found, refused, incomplete, too large for the memory, or an unknown architecture.
        """
        if dtype not in DTYPES:
            raise BackendError(f"unknown dtype {dtype!r}: use {', '.join(DTYPES)}.")
        resolved = model_sources.resolve(name)
        _check_memory(resolved, dtype)
        model, tokenizer = _load(resolved.path, DTYPES[dtype])
        return cls(model.to(device), tokenizer, resolved, dtype)

    @property
    def n_bytes(self) -> int:
        """Memory held by the weights."""
        return sum(parameter.numel() * parameter.element_size() for parameter in self.model.parameters())

    def tokenize(self, text: str) -> TokenizedText:
        """See `CausalBackend.tokenize`."""
        return self._codec.tokenize(text, self.info.context_length)

    def batch(self, texts: Sequence[TokenizedText]) -> TokenBatch:
        """See `CausalBackend.batch`."""
        lengths = torch.tensor([len(text) for text in texts])
        ids = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.from_numpy(text.ids.astype(np.int64))
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        return TokenBatch(tuple(texts), ids.to(self.device), mask.to(self.device), lengths.to(self.device))

    def embed(self, batch: TokenBatch) -> Tensor:
        """See `CausalBackend.embed`."""
        embedded: Tensor = self.model.get_input_embeddings()(batch.input_ids)  # type: ignore[operator]
        return embedded.detach()

    def forward(self, batch: TokenBatch, capture: Capture, *, embeddings: Tensor | None = None) -> ForwardResult:
        """See `CausalBackend.forward`. With `capture.gradients`, `embeddings` that already require grad stay in their
        graph; others become the leaf."""
        self._use_attention("eager" if capture.attention else self._fused)
        inputs = self.embed(batch) if embeddings is None else embeddings
        if capture.gradients and not inputs.requires_grad:
            inputs = inputs.detach().requires_grad_()
        parts = self.structure
        watched = (
            (parts.attentions if capture.attention else (), 1),
            (parts.layers if capture.residuals else (), 0),
            (parts.attn_updates if capture.residuals else (), 0),
            (parts.mlp_updates if capture.residuals else (), 0),
        )
        with torch.set_grad_enabled(capture.gradients), ExitStack() as stack:
            kept = [stack.enter_context(watching(modules, element)) for modules, element in watched]
            masks = stack.enter_context(watching_masks(watched[0][0]))
            hidden = last_hidden(parts.base(inputs_embeds=inputs, use_cache=False))
            if capture.last_logits_only:
                hidden = hidden[torch.arange(len(hidden), device=self.device), batch.lengths - 1][:, None]
            logits = to_logits(self.model, hidden)
        self._check_finite(logits)
        attentions, residuals, attn_updates, mlp_updates = (complete(tensors) for tensors in kept)
        shape = inputs.shape[:2]
        return ForwardResult(
            logits,
            inputs,
            attentions,
            visible_keys(watched[0][0], masks, shape[1]) if attentions else (),
            residuals,
            tuple(update.view(*shape, -1) for update in attn_updates),
            tuple(update.view(*shape, -1) for update in mlp_updates),
        )

    def read(self, embeddings: Tensor, after: Prefix | None = None) -> tuple[Tensor, Prefix]:
        """See `CausalBackend.read`."""
        self._use_attention(self._fused)
        cache = None if after is None else after.cache
        output = self.structure.base(inputs_embeds=embeddings, past_key_values=cache, use_cache=True)
        length = embeddings.shape[1] + (0 if after is None else after.length)
        return last_hidden(output), Prefix(output.past_key_values, length)

    def head_weights(self, layer: int) -> Tensor:
        """See `CausalBackend.head_weights`."""
        weight = projection_weight(self.structure.head_projections[layer])
        return weight.reshape(self.info.n_heads, -1, weight.shape[-1])

    def unembed(self, residual: Tensor) -> Tensor:
        """See `CausalBackend.unembed`."""
        for module in self.structure.tail:
            residual = module(residual)
        return to_logits(self.model, residual)

    def resolve_target(self, text: TokenizedText, target: str | None, foil: str | None, logprobs: Tensor) -> Target:
        """See `CausalBackend.resolve_target`."""
        if target is None and foil is not None:
            raise InputError("a foil was given without a target: give both, or neither.", "target_missing")
        logprobs = logprobs.detach()
        chosen = [int(logprobs.argmax())] if target is None else self._first_ids(text, target, "target")
        foils = [] if foil is None else self._first_ids(text, foil, "foil")
        if foils and foils[0] == chosen[0]:
            raise InputError(
                f"target {target!r} and foil {foil!r} begin with the same token, so their difference is zero "
                "everywhere: choose words that differ in their first token.",
                "target_equals_foil",
            )
        logprob, rank = _standing(logprobs, chosen[0])
        foil_logprob, foil_rank = _standing(logprobs, foils[0]) if foils else (float("nan"), -1)
        return Target(
            token_id=chosen[0],
            text=self.decode(chosen[:1])[0],
            n_tokens=len(chosen),
            chosen="predicted" if target is None else "given",
            logprob=logprob,
            rank=rank,
            foil_id=foils[0] if foils else -1,
            foil_text=self.decode(foils[:1])[0] if foils else None,
            foil_n_tokens=len(foils),
            foil_logprob=foil_logprob,
            foil_rank=foil_rank,
        )

    def decode(self, ids: Sequence[int]) -> list[str]:
        """See `CausalBackend.decode`."""
        return self._codec.decode(ids)

    def generate(self, texts: Sequence[TokenizedText], params: GenerationParams) -> list[Continuation]:
        """See `CausalBackend.generate`; stops at an end-of-text token, which is not part of the result."""
        if not texts:
            return []
        self._use_attention(self._fused)
        prompts = [text.ids.tolist() for text in texts]
        found = sampling.sample(self.model, prompts, params, self._stop, self.info.context_length)
        return [self._continuation(sampled, params) for sampled in found]

    def describe(self) -> Params:
        """See `CausalBackend.describe`."""
        return {
            "device": str(self.device),
            "dtype": self.info.ref.dtype,
            "attention_implementation": f"eager where attention is captured, else {self._fused}",
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy", "safetensors")},
        }

    def _continuation(self, sampled: sampling.Sampled, params: GenerationParams) -> Continuation:
        text, texts = self._codec.decode_together(sampled.ids)
        logprobs = np.array(sampled.logprobs, dtype=np.float32)
        return Continuation(text, np.array(sampled.ids, dtype=np.int32), texts, logprobs, params)

    def _first_ids(self, text: TokenizedText, continuation: str, role: str) -> list[int]:
        ids = self._codec.continuation_ids(text, continuation) if continuation else []
        if not ids:
            raise InputError(f"the {role} is empty: write the word that should follow the prompt.", "target_missing")
        return ids

    def _use_attention(self, implementation: str) -> None:
        if self.model.config._attn_implementation != implementation:  # type: ignore[union-attr]
            self.model.set_attn_implementation(implementation)  # type: ignore[operator]

    def _check_finite(self, logits: Tensor) -> None:
        # one pass, no mask of the same size: a NaN or an infinity survives a sum
        if not torch.isfinite(logits.detach().sum(dtype=torch.float32)):
            raise BackendError(
                f"{self.info.ref.name} computed non-finite logits in {self.info.ref.dtype}: "
                "the weights are damaged or the dtype is too narrow. Use float32, or get the model again."
            )

    def _find_capabilities(self) -> Capabilities:
        """Tries a short pass, because an implementation may ignore the request for attention weights."""
        ids = torch.ones(1, 3, dtype=torch.long, device=self.device)
        batch = TokenBatch((), ids, torch.ones_like(ids), torch.tensor([3], device=self.device))
        found = self.forward(batch, Capture(attention=True))
        attention = bool(found.attentions) and all(map(is_attention, found.attentions))
        self._use_attention(self._fused)
        notes = [] if attention else ["attention weights cannot be read from this architecture"]
        if attention and any(map(has_sink, found.attentions)):
            notes.append("attention rows sum to less than 1: learned sinks take the rest (missing_mass)")
        if not self.structure.attn_updates:
            notes.append("the attention and MLP updates of this architecture do not add up to its residual stream")
        if not self.structure.head_projections:
            notes.append("the outputs of single heads cannot be told apart in this architecture")
        return Capabilities(
            attention=attention,
            sublayers=bool(self.structure.attn_updates),
            heads=bool(self.structure.head_projections),
            notes=tuple(notes),
        )


def _load(path: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Model and tokenizer of a folder, quietly, from safetensors only, without running code of the folder."""
    logs: Any = transformers_logging
    bar = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
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
            f"the weights in {path} lack {len(missing)} tensors ({', '.join(missing[:3])}), which would stay random: "
            "the download is incomplete or the config belongs to another model."
        )
    return model, tokenizer


def _check_memory(resolved: model_sources.ResolvedModel, dtype: str) -> None:
    needed, available = model_sources.memory_needed(resolved.path, dtype), psutil.virtual_memory().available
    if needed > available:
        raise BackendError(
            f"{resolved.name} needs about {needed / 1e9:.1f} GB in {dtype} and {available / 1e9:.1f} GB are free: "
            "use a smaller model, close other programs, or try dtype bfloat16."
        )


def _info(
    model: Any, structure: Structure, tokenizer: Any, resolved: model_sources.ResolvedModel, dtype: str
) -> ModelInfo:
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


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    declared = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = declared if isinstance(declared, list) else [declared]
    return frozenset(int(token) for token in (*found, tokenizer.eos_token_id) if token is not None)


def _standing(logprobs: Tensor, token: int) -> tuple[float, int]:
    return float(logprobs[token]), int((logprobs > logprobs[token]).sum()) + 1
