"""Activation patching (Vig et al. 2020, Meng et al. 2022): where in the model the difference of two prompts lives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.attribution.patching import MAX_TOKENS, ROUNDING, PatchedPair, counterparts
from headscope.analysis.backends.needs import unmet
from headscope.analysis.backends.suffix import why_no_suffix
from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.counts import plural
from headscope.analysis.errors import InputError, NotApplicable, UnknownNameError
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.registry import Needs
from headscope.analysis.running.tensor_cache import TensorCache
from headscope.analysis.types import Float32, Target, TokenizedText, canonical_hash
from headscope.analysis.types.patching import PATCH_COMPONENTS, Candidates, PatchRequest, PatchResult

N_CANDIDATES = 10


def analyse_patch(backend: WhiteBoxBackend, request: PatchRequest, cache: TensorCache | None = None) -> PatchResult:
    """The explained quantity of the corrupted prompt with one activation at a time taken from the clean prompt.

    Positions where the two activations are equal (before the first token that differs) need no pass. Raises InputError
    (kinds `empty`, `too_long`, `not_aligned`, `cell`, `target_missing`, `target_equals_foil`), UnknownNameError for a
    component, NotApplicable for a model whose parts cannot be told apart.
    """
    started = time.perf_counter()
    if request.component not in PATCH_COMPONENTS:
        raise UnknownNameError("component", request.component, PATCH_COMPONENTS)
    clean, corrupted = _tokens(backend, request)
    _check(backend, request, len(clean))
    with torch.no_grad():
        patcher = _Pair(backend, clean, corrupted, request)
        patched = _grid(backend, request, patcher, cache)
        cell = None if request.cell is None else _candidates(backend, patcher.cell_logits(*request.cell))
    clean_value, corrupted_value = patcher.values.tolist()
    change = clean_value - corrupted_value
    recovery = (patched - corrupted_value) / (change if abs(change) > ROUNDING else np.nan)
    return PatchResult(
        request=request,
        info=backend.info,
        clean=clean,
        corrupted=corrupted,
        target=patcher.target,
        clean_value=clean_value,
        corrupted_value=corrupted_value,
        patched=patched.astype(np.float32),
        recovery=recovery.astype(np.float32),
        clean_candidates=_candidates(backend, patcher.logits[0]),
        corrupted_candidates=_candidates(backend, patcher.logits[1]),
        cell_candidates=cell,
        seconds=time.perf_counter() - started,
    )


def _grid(backend: WhiteBoxBackend, request: PatchRequest, patcher: _Pair, cache: TensorCache | None) -> Any:
    """The patched quantity float `[layer, position]`, from the cache where it was computed before (a cell is looked at
    after the whole map)."""
    ref, target = backend.info.ref, patcher.target
    key = canonical_hash(
        ["patched", CODE_VERSION, ref.weights_sha256, ref.dtype, backend.info.tokenizer_sha256, request.clean,
         request.corrupted, request.component, target.token_id, target.foil_id]
    )  # fmt: skip
    cache = None if backend.edits else cache  # the key names the model as it is
    kept = cache.get(key) if cache is not None else None
    if kept is not None:
        return kept["patched"]
    patched = patcher.patched()
    if cache is not None:
        cache.put(key, {"patched": patched})
    return patched


def _tokens(backend: WhiteBoxBackend, request: PatchRequest) -> tuple[TokenizedText, TokenizedText]:
    clean, corrupted = backend.tokenize(request.clean), backend.tokenize(request.corrupted)
    if len(clean) != len(corrupted):
        raise InputError(
            f"the clean prompt has {plural(len(clean), 'token')} and the corrupted one {len(corrupted)}, and patching "
            "needs a partner for every position: replace words by words of as many tokens (a name by another short "
            "name), so that both prompts have the same number.",
            "not_aligned",
        )
    if len(clean) > MAX_TOKENS:
        raise InputError(
            f"the prompts have {len(clean)} tokens, and patching takes {MAX_TOKENS}: it runs the model once for every "
            "layer and position. Shorten both.",
            "too_long",
        )
    return clean, corrupted


def _check(backend: WhiteBoxBackend, request: PatchRequest, length: int) -> None:
    if (reason := unmet(Needs(sublayers=request.component != "residual"), backend)) is not None:
        raise NotApplicable(f"{reason}: patch the residual stream instead.")
    if (reason := why_no_suffix(backend)) is not None:
        raise NotApplicable(f"{reason}, so nothing can be patched.")
    if request.cell is not None:
        layer, position = request.cell
        if not (0 <= layer < backend.info.n_layers and 0 <= position < length):
            raise InputError(
                f"there is no cell at layer {layer}, position {position}: choose a layer from 0 to "
                f"{backend.info.n_layers - 1} and a position from 0 to {length - 1}.",
                "cell",
            )


class _Pair:
    """Both prompts' passes, and the corrupted one with the clean one's activations in it."""

    def __init__(
        self, backend: WhiteBoxBackend, clean: TokenizedText, corrupted: TokenizedText, request: PatchRequest
    ) -> None:
        self._component = request.component
        self._pair = PatchedPair(backend, clean, corrupted, counterparts(clean, corrupted))
        self.logits = self._pair.logits
        logprobs = torch.log_softmax(self.logits[0], dim=-1)
        self.target: Target = backend.resolve_target(clean, request.target, request.foil, logprobs)
        self.values = self._pair.values(self.target)

    def patched(self) -> Float32:
        """The quantity float32 `[layer, position]` (nats)."""
        return self._pair.grid(self._component, self.target)

    def cell_logits(self, layer: int, position: int) -> Tensor:
        """Next-token logits `[V]` with that one activation patched."""
        final = self._pair.rerun(self._component, layer, torch.tensor([position], device=self.logits.device))
        return self._pair.backend.unembed(final)[0].float()


def _candidates(backend: WhiteBoxBackend, logits: Tensor) -> Candidates:
    top = torch.softmax(logits, dim=-1).topk(min(N_CANDIDATES, len(logits)))
    texts: Sequence[str] = backend.decode(top.indices.tolist())
    return tuple(zip(texts, top.values.tolist(), strict=True))
