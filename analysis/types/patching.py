"""Activation patching between two prompts: the request and its answer. Frozen, numpy only, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from headscope.analysis.types import Float32, ModelInfo, Target, TokenizedText

PATCH_COMPONENTS: dict[str, str] = {
    "residual": "Residual stream: everything the model has computed at a position before the layer",
    "attention": "Attention update: what the layer's attention adds at a position",
    "mlp": "MLP update: what the layer's MLP adds at a position",
}
"""What can be patched, and how to say it to people."""

Candidates = tuple[tuple[str, float], ...]
"""Next-token candidates, most likely first: (text, probability)."""


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """Two prompts of equally many tokens, position by position comparable.

    Explained is the log-probability (nats) of `target` after the prompt (default: the clean prompt's own top-1 token),
    or of target minus `foil`. component: a key of `PATCH_COMPONENTS`. cell: (layer, position) whose patched next-token
    candidates are wanted too.
    """

    model: str
    clean: str
    corrupted: str
    target: str | None = None
    foil: str | None = None
    component: str = "residual"
    cell: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PatchResult:
    """What the corrupted run says when one activation of it is replaced by that of the clean run.

    patched: float32 `[layer, position]`, the explained quantity (nats) after the replacement; row l of `residual` is
    the residual stream that layer l reads (row 0: the embeddings), of `attention` and `mlp` what layer l adds.
    recovery: float32 `[layer, position]`, (patched - corrupted_value) / (clean_value - corrupted_value): 0 changes
    nothing, 1 restores the clean value; it may lie outside 0 to 1, and is NaN when the two values do not differ.
    clean, corrupted: tokens of equal number. target: resolved after the clean prompt; its logprobs and ranks are those
    there. *_candidates: top 10 of the next token; None without a cell.
    """

    request: PatchRequest
    info: ModelInfo
    clean: TokenizedText
    corrupted: TokenizedText
    target: Target
    clean_value: float
    corrupted_value: float
    patched: Float32
    recovery: Float32
    clean_candidates: Candidates
    corrupted_candidates: Candidates
    cell_candidates: Candidates | None
    seconds: float
