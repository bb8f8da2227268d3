"""Hugging Face causal language models on this machine, opened up for measuring.

Prompts are padded on the right and no padding mask is needed: with causal attention a real token sees only the tokens
before it, which are real. (Rows of padding compute something; nobody may read them.)
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headscope.analysis.backends import sampling
from headscope.analysis.backends.causality import check_causal
from headscope.analysis.backends.heads import projection_weight
from headscope.analysis.backends.intervening import EDITABLE, Interventions
from headscope.analysis.backends.loading import check_memory, info_of, load_folder, placed, stop_ids
from headscope.analysis.backends.patterns import readable_layers, why_not_all, with_gaps
from headscope.analysis.backends.prefix import Prefix
from headscope.analysis.backends.structure import discover
from headscope.analysis.backends.targets import resolve
from headscope.analysis.backends.tokenization import TextCodec
from headscope.analysis.backends.unembedding import to_logits
from headscope.analysis.backends.visibility import visible_keys, watching_masks
from headscope.analysis.backends.watching import complete, last_hidden, watching
from headscope.analysis.errors import BackendError, HeadscopeError, NotApplicable, message
from headscope.analysis.finite import finite_rows, overflow, overflow_written
from headscope.analysis.interfaces import Capabilities, Capture, ForwardResult, NextTokens, TokenBatch
from headscope.analysis.interventions import Edit
from headscope.analysis.models import devices, places, products, sources
from headscope.analysis.models.start_token import start_token_id
from headscope.analysis.types import (
    DTYPES,
    Continuation,
    GenerationParams,
    Params,
    Target,
    TokenizedText,
)


class HFCausalBackend:
    """A WhiteBoxBackend (see `headscope.analysis.interfaces`) over a transformers model: GPT-2, Llama, relatives."""

    def __init__(self, model: nn.Module, tokenizer: Any, resolved: places.ResolvedModel, dtype: str) -> None:
        """Wrap a loaded model; `load` is the usual way in."""
        self.model = model.eval().requires_grad_(False)
        products.quicken(model)
        self.structure = discover(model)
        check_causal(model, model.config.get_text_config().vocab_size)  # type: ignore[union-attr, operator]
        n_embeddings = model.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
        self._interventions = Interventions()
        self._codec = TextCodec(tokenizer, n_embeddings, start_token_id(tokenizer, resolved.path))
        self._stop = stop_ids(model, tokenizer)
        self.device = next(model.parameters()).device
        self._fused = str(model.config._attn_implementation)  # type: ignore[union-attr]
        self.info = info_of(model, self.structure, tokenizer, resolved, dtype)
        self._attention_layers, self._has_sink = self._find_attention()
        self.capabilities = self._find_capabilities()

    @classmethod
    def load(cls, name: str, dtype: str = "float32", device: str = "cpu") -> HFCausalBackend:
        """Load a model by name or folder (see `model_sources.resolve`).

        Raises BackendError: not found, refused, incomplete, too large for the memory, or an unknown architecture.
        """
        if dtype not in DTYPES:
            raise BackendError(f"unknown dtype {dtype!r}: use {', '.join(DTYPES)}.")
        resolved = sources.resolve(name)
        check_memory(resolved, dtype, device)
        model, tokenizer = load_folder(resolved.path, getattr(torch, dtype))
        model = placed(model, device, resolved.name)
        try:
            return cls(model, tokenizer, resolved, dtype)
        except HeadscopeError:
            raise
        except Exception as error:  # whatever the first passes through an unknown architecture raise
            raise BackendError(
                f"the architecture {type(model).__name__} is not supported: a short pass through its parts fails "
                f"({message(error).splitlines()[0]}). Use a decoder-only language model."
            ) from error

    @property
    def n_bytes(self) -> int:
        """Memory held by the weights."""
        return sum(parameter.numel() * parameter.element_size() for parameter in self.model.parameters())

    def tokenize(self, text: str, *, chat: bool = False, start_token: bool = False) -> TokenizedText:
        """See `TextBackend.tokenize`."""
        return self._codec.tokenize(text, self.info.context_length, chat, start_token)

    def batch(self, texts: Sequence[TokenizedText]) -> TokenBatch:
        """See `WhiteBoxBackend.batch`."""
        lengths = torch.tensor([len(text) for text in texts])
        ids = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.from_numpy(text.ids.astype(np.int64))
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        return TokenBatch(tuple(texts), ids.to(self.device), mask.to(self.device), lengths.to(self.device))

    def embed(self, batch: TokenBatch) -> Tensor:
        """See `WhiteBoxBackend.embed`."""
        embedded: Tensor = self.model.get_input_embeddings()(batch.input_ids)  # type: ignore[operator]
        return embedded.detach()

    def forward(self, batch: TokenBatch, capture: Capture, *, embeddings: Tensor | None = None) -> ForwardResult:
        """See `WhiteBoxBackend.forward`. With `capture.gradients`, `embeddings` that already require grad stay in their
        graph; others become the leaf."""
        self._use_attention("eager" if capture.attention else self._fused)
        inputs = self.embed(batch) if embeddings is None else embeddings
        if capture.gradients and not inputs.requires_grad:
            inputs = inputs.detach().requires_grad_()
        parts = self.structure
        watched = (
            (self._attention_modules if capture.attention else (), 1),
            (parts.layers if capture.residuals else (), 0),
            (parts.attn_updates if capture.residuals else (), 0),
            (parts.mlp_updates if capture.residuals else (), 0),
        )
        with torch.set_grad_enabled(capture.gradients), ExitStack() as stack:
            kept = [stack.enter_context(watching(modules, element)) for modules, element in watched]
            masks = stack.enter_context(watching_masks(watched[0][0]))
            # a copy: CTRL scales in place what it is given, which a leaf does not allow
            hidden = last_hidden(parts.base(inputs_embeds=inputs.clone(), use_cache=False))
            if capture.last_logits_only:
                hidden = hidden[torch.arange(len(hidden), device=self.device), batch.lengths - 1][:, None]
            logits = to_logits(self.model, hidden)
        if not capture.non_finite and not finite_rows(logits).all():
            raise BackendError(overflow(self, batch, "logits for this text", embeddings))
        attentions, residuals, attn_updates, mlp_updates = (complete(tensors) for tensors in kept)
        shape = inputs.shape[:2]
        return ForwardResult(
            logits,
            inputs,
            with_gaps(attentions, self._attention_layers, len(parts.layers)),
            self._visible(masks, shape[1]) if attentions else (),
            residuals,
            tuple(update.view(*shape, -1) for update in attn_updates),
            tuple(update.view(*shape, -1) for update in mlp_updates),
        )

    def read(self, embeddings: Tensor, after: Prefix | None = None) -> tuple[Tensor, Prefix]:
        """See `WhiteBoxBackend.read`."""
        self._interventions.check_steps()
        self._use_attention(self._fused)
        cache = None if after is None else after.cache
        output = self.structure.base(inputs_embeds=embeddings.clone(), past_key_values=cache, use_cache=True)
        length = embeddings.shape[1] + (0 if after is None else after.length)
        return last_hidden(output), Prefix(output.past_key_values, length)

    def head_weights(self, layer: int) -> Tensor:
        """See `WhiteBoxBackend.head_weights`."""
        weight = projection_weight(self.structure.head_projections[layer])
        return weight.reshape(self.info.n_heads, -1, weight.shape[-1])

    def unembed(self, residual: Tensor) -> Tensor:
        """See `WhiteBoxBackend.unembed`."""
        for module in self.structure.tail:
            residual = module(residual)
        return to_logits(self.model, residual)

    def resolve_target(self, text: TokenizedText, target: str | None, foil: str | None, logprobs: Tensor) -> Target:
        """See `WhiteBoxBackend.resolve_target`."""
        return resolve(self._codec, text, target, foil, logprobs)

    def ids_of(self, text: str) -> list[int]:
        """See `WhiteBoxBackend.ids_of`."""
        return self._codec.ids_of(text)

    def decode(self, ids: Sequence[int]) -> list[str]:
        """See `WhiteBoxBackend.decode`."""
        return self._codec.decode(ids)

    def generate(self, texts: Sequence[TokenizedText], params: GenerationParams) -> list[Continuation]:
        """See `TextBackend.generate`; stops at an end-of-text token, which is not part of the result."""
        if not texts:
            return []
        self._interventions.check_steps()
        self._use_attention(self._fused)
        if self._no_continuation:
            raise NotApplicable(self._no_continuation)
        prompts = [text.ids.tolist() for text in texts]
        try:
            found = sampling.sample(self.model, prompts, params, self._stop, self.info.context_length)
        except sampling.NoNumbersError as error:
            raise BackendError(overflow_written(self, texts, error.written)) from error
        return [self._continuation(sampled, prompt[-1], params) for sampled, prompt in zip(found, prompts, strict=True)]

    def next_tokens(self, texts: Sequence[TokenizedText], most: int) -> list[NextTokens]:
        """See `TextBackend.next_tokens`."""
        if not texts:
            return []
        with torch.no_grad():
            logits = self.forward(self.batch(texts), Capture(last_logits_only=True)).logits[:, -1].float()
        top = logits.log_softmax(-1).topk(min(most, logits.shape[-1]))
        rows = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return [tuple(zip(self.decode(ids), logprobs, strict=True)) for ids, logprobs in rows]

    def interventions(self, edits: Sequence[Edit]) -> AbstractContextManager[None]:
        """See `WhiteBoxBackend.interventions`."""
        return self._interventions.within(self, edits)

    def unedited(self) -> AbstractContextManager[None]:
        """See `WhiteBoxBackend.unedited`."""
        return self._interventions.none(self.model)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """See `WhiteBoxBackend.edits`."""
        return self._interventions.edits

    def describe(self) -> Params:
        """See `TextBackend.describe`."""
        return {
            "device": str(self.device),
            **({} if self.device.type == "cpu" else {"device_name": devices.name_of(self.device)}),
            "dtype": self.info.ref.dtype,
            "attention_implementation": f"eager where attention is captured, else {self._fused}",
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy", "safetensors")},
        }

    @cached_property
    def _no_continuation(self) -> str:
        """Why this model cannot continue a text; empty when it can. Tried on a few made-up tokens."""
        try:
            with self.unedited():
                sampling.sample(self.model, [[1, 2, 3], [2, 1]], GenerationParams(2), frozenset(), 8)
        except NotApplicable as error:
            return error.reason
        except BackendError:
            return ""  # of these tokens; others may do
        except Exception as error:  # whatever an architecture raises here, it cannot be read on from its cache
            reason = message(error).splitlines()[0]
            return (
                f"{self.info.architecture} cannot be read on from its cache, so it writes no continuations ({reason})"
            )
        return ""

    @property
    def _attention_modules(self) -> list[nn.Module]:
        found = [self.structure.attentions[layer] for layer in self._attention_layers]
        return [module for module in found if module is not None]

    def _continuation(self, sampled: sampling.Sampled, before: int, params: GenerationParams) -> Continuation:
        text, texts = self._codec.decode_together(sampled.ids, before)
        logprobs = np.array(sampled.logprobs, dtype=np.float32)
        return Continuation(text, np.array(sampled.ids, dtype=np.int32), texts, logprobs, params)

    def _use_attention(self, implementation: str) -> None:
        implementation = EDITABLE if self._interventions.of_patterns else implementation
        if self.model.config._attn_implementation != implementation:  # type: ignore[union-attr]
            self.model.set_attn_implementation(implementation)  # type: ignore[operator]

    def _find_capabilities(self) -> Capabilities:
        no_attention = why_not_all(self.info.architecture, self.structure, self._attention_layers)
        everywhere = not no_attention
        notes = [no_attention] if no_attention else []
        if self._has_sink:
            notes.append("attention rows sum to less than 1: learned sinks take the rest (missing_mass)")
        if not self.structure.attn_updates:
            notes.append("the attention and MLP updates of this architecture do not add up to its residual stream")
        if not self.structure.head_projections:
            notes.append("the outputs of single heads cannot be told apart in this architecture")
        if warning := self._codec.warning():
            notes.append(warning)
        return Capabilities(
            attention=everywhere,
            sublayers=bool(self.structure.attn_updates),
            heads=bool(self.structure.head_projections),
            notes=tuple(notes),
            attention_layers=() if everywhere else self._attention_layers,
            no_attention=no_attention,
            warning=warning,
        )

    def _visible(self, masks: Sequence[Tensor | None], length: int) -> tuple[Tensor, ...]:
        """See `ForwardResult.visible`; a layer without attention hides nothing."""
        everything = torch.ones(length, length, dtype=torch.bool).tril()
        there = visible_keys(self._attention_modules, masks, length)
        known = dict(zip(self._attention_layers, there, strict=True))
        return tuple(known.get(index, everything) for index in range(len(self.structure.layers)))

    def _find_attention(self) -> tuple[tuple[int, ...], bool]:
        ids = (torch.arange(5, device=self.device) * 7 + 1)[None] % self.info.vocab_size
        self._use_attention("eager")
        found = readable_layers(self.structure, self.model.get_input_embeddings()(ids))  # type: ignore[operator]
        self._use_attention(self._fused)
        return found
