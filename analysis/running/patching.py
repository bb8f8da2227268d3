"""Activation patching (Vig et al. 2020, Meng et al. 2022): where in the model the difference of two prompts lives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.backends.needs import unmet
from headscope.analysis.backends.suffix import LayerSuffix, rows_per_pass, why_no_suffix
from headscope.analysis.code_version import CODE_VERSION
from headscope.analysis.errors import InputError, NotApplicable, UnknownNameError
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.interventions import Edit, Point, Put
from headscope.analysis.registry import Needs
from headscope.analysis.running.tensor_cache import TensorCache
from headscope.analysis.types import Float32, Target, TokenizedText, canonical_hash
from headscope.analysis.types.patching import PATCH_COMPONENTS, Candidates, PatchRequest, PatchResult
from headscope.analysis.workspace import quantities

MAX_TOKENS = 128  # layers x tokens reruns: 30 layers of 128 tokens are minutes on two cores
N_CANDIDATES = 10
ROUNDING = 1e-4  # nats; two values closer than this do not differ


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
        patcher = _Patcher(backend, clean, corrupted, request)
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


def _grid(backend: WhiteBoxBackend, request: PatchRequest, patcher: _Patcher, cache: TensorCache | None) -> Any:
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
            f"the clean prompt has {len(clean)} tokens and the corrupted one {len(corrupted)}, and patching needs a "
            "partner for every position: replace words by words of as many tokens (a name by another short name), so "
            "that both prompts have the same number.",
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


class _Patcher:
    """Both prompts' passes and the reruns. Row 0 of the batch is the clean prompt, row 1 the corrupted one."""

    def __init__(
        self, backend: WhiteBoxBackend, clean: TokenizedText, corrupted: TokenizedText, request: PatchRequest
    ) -> None:
        batch = backend.batch([clean, corrupted])
        self._backend = backend
        self._suffix = LayerSuffix(backend, batch, backend.embed(batch))
        result = self._suffix.result
        self.logits = result.logits[:, -1].float()
        logprobs = torch.log_softmax(self.logits[0], dim=-1)
        self.target: Target = backend.resolve_target(clean, request.target, request.foil, logprobs)
        self.values = quantities(self.logits, [self.target] * 2)
        self._length = len(clean)
        # causal attention: up to the first token that differs there is nothing to patch but rounding
        self._reached = (batch.input_ids[0] != batch.input_ids[1]).cumsum(0) > 0
        points: dict[str, tuple[Point, Sequence[Tensor]]] = {
            "residual": ("residual", self._suffix.inputs),
            "attention": ("attention_output", result.attn_updates),
            "mlp": ("mlp_output", result.mlp_updates),
        }
        self._point, self._activations = points[request.component]

    def patched(self) -> Float32:
        """The quantity float32 `[layer, position]` (nats)."""
        found = torch.full((len(self._activations), self._length), float(self.values[1]), device=self.values.device)
        for layer, activation in enumerate(self._activations):
            differs = ((activation[0] != activation[1]).any(-1) & self._reached).nonzero()[:, 0]
            if not len(differs):
                continue
            for positions in torch.split(differs, rows_per_pass(self._backend.info, self._length)):
                final = self._rerun(layer, positions)
                found[layer, positions] = self._suffix.values(final, [self.target] * len(positions))
        values: Float32 = found.cpu().numpy()
        return values

    def cell_logits(self, layer: int, position: int) -> Tensor:
        """Next-token logits `[V]` with that one activation patched."""
        final = self._rerun(layer, torch.tensor([position], device=self.values.device))
        return self._backend.unembed(final)[0].float()

    def _rerun(self, layer: int, positions: Tensor) -> Tensor:
        """Last residuals `[N, d]` at the last position; row n has the clean activation at `positions[n]`."""
        clean = self._activations[layer][0]
        edit = Edit(self._point, layer, Put(clean[positions][:, None]), positions=positions[:, None])
        hidden = self._suffix.inputs[layer][1].expand(len(positions), -1, -1)
        return self._suffix.run(layer, hidden, torch.full_like(positions, self._length - 1), [edit])


def _candidates(backend: WhiteBoxBackend, logits: Tensor) -> Candidates:
    top = torch.softmax(logits, dim=-1).topk(min(N_CANDIDATES, len(logits)))
    texts: Sequence[str] = backend.decode(top.indices.tolist())
    return tuple(zip(texts, top.values.tolist(), strict=True))
