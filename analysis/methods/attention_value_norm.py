"""Value-weighted attention (Kobayashi et al. 2020): how long the vector is that each token contributes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import torch

from headscope.analysis.attribution.attention_rows import explained_rows, unsigned
from headscope.analysis.attribution.attention_values import value_vectors, why_no_values
from headscope.analysis.attribution.frozen_norm import is_norm
from headscope.analysis.interfaces import Method, WhiteBoxBackend
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class AttentionValueNorm(Method):
    """`s[l, t] = || sum over heads of a[h, t] v[h, t] W_O[h] ||`: length of what token t adds to the residual stream at
    the explained position in layer l. A high weight on a short vector (the attention sink) counts for little.
    `layer_scores [layer, position]` holds s, scores `[position]` its mean over layers; unsigned."""

    NAME: ClassVar[str] = "attention_value_norm"

    def not_applicable(self, backend: WhiteBoxBackend) -> str | None:
        """Models whose values can be read, found by trying, and whose heads write into the stream without a norm."""
        if any(map(is_norm, backend.structure.attn_updates)):
            return (
                f"{backend.info.architecture} norms what its heads write, so a token's own length is not what is added"
            )
        return why_no_values(backend)

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; one more forward pass for the values."""
        started = time.perf_counter()
        weights = explained_rows(work)
        backend = work.backend
        values = value_vectors(backend, work.embeddings)
        norms = [
            torch.einsum("bht,bhte,hed->btd", weights[:, layer], value.float(), backend.head_weights(layer).float())
            .norm(dim=-1)
            for layer, value in enumerate(values)
        ]  # fmt: skip
        per_layer = torch.stack(norms, dim=1)
        return unsigned(self.NAME, work, targets, per_layer.mean(1), ("position",), started, {}, per_layer)
