"""Attention flow (Abnar and Zuidema 2020): how much could flow through the attention graph to every input token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from headscope.analysis.attribution.attention_rows import head_means, unsigned, with_residual
from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.interfaces import Method
from headscope.analysis.params import resolve_params
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace

UNIT = 1_000_000
"""Capacities are whole numbers, attention in millionths: a score is off by at most the number of edges cut / 10^6."""


class AttentionFlow(Method):
    """`s_t`: maximum flow from the explained position at the top to token t at the bottom of the graph whose edges are
    `(mean over heads of A_l + I) / 2`; scores `[position]`, unsigned, 0 to 1, each token on its own (no sum). One
    maximum flow per token: for short prompts only."""

    NAME: ClassVar[str] = "attention_flow"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt; one whose prompt is too long says so."""
        started = time.perf_counter()
        settings = resolve_params(self.NAME, params)
        patterns = with_residual(head_means(work)).cpu().numpy()
        lengths = (work.positions + 1).tolist()
        scores = torch.zeros(len(targets), patterns.shape[-1])
        for i, length in enumerate(lengths):
            if length <= settings["max_tokens"]:
                scores[i, :length] = torch.from_numpy(flows(patterns[:, i, :length, :length]))
        found = unsigned(self.NAME, work, targets, scores, ("position",), started, settings)
        return [
            one
            if length <= settings["max_tokens"]
            else failed_attribution(
                self.NAME, target, _too_long(length, settings["max_tokens"]), signed=False, seconds=0.0, params=settings
            )
            for one, target, length in zip(found, targets, lengths, strict=True)
        ]


def _too_long(length: int, limit: int) -> str:
    return f"{length} tokens are too many for one maximum flow each: at most {limit} (parameter max_tokens)"


def flows(patterns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maximum flow `[T]` to every token from the last one, patterns `[layer, query, key]`.

    Node (l, t), at index l * T + t, is what layer l reads of token t; its edges come from the queries of layer l.
    """
    n_layers, size, _ = patterns.shape
    layer, query, key = np.nonzero(patterns)
    capacity = np.rint(patterns[layer, query, key] * UNIT).astype(np.int32)
    upper, lower = (layer + 1) * size + query, layer * size + key
    n_nodes = (n_layers + 1) * size
    graph = csr_array((capacity, (upper, lower)), shape=(n_nodes, n_nodes))
    source = n_nodes - 1
    found = [maximum_flow(graph, source, token).flow_value for token in range(size)]
    scores: NDArray[np.float32] = (np.array(found) / UNIT).astype(np.float32)
    return scores
