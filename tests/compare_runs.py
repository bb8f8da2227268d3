"""Runs of a small model as the Compare page reads them, and a store of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from headscope.analysis.errors import UnknownNameError
from headscope.analysis.registry import BLACK_BOX
from headscope.analysis.types import Attribution, ModelInfo, ModelRef, RunStatus, TokenizedText, TokenTrace
from headscope.storage.rows import Offences, RunDetail, RunRow
from tests.unit.dashboard.pages.test_compare_figures import tokenized

WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def trace(tokens: TokenizedText, logprobs: list[float]) -> TokenTrace:
    n = len(tokens)
    texts = tuple((" he", " she") for _ in range(n))
    ids = np.tile(np.array([1, 2], dtype=np.int32), (n, 1))
    topk = np.log(np.tile(np.array([0.5, 0.25], dtype=np.float32), (n, 1)))
    entropies = np.full(n, np.nan, dtype=np.float32)
    ranks, values = np.full(n, -1, np.int32), np.array(logprobs, np.float32)
    return TokenTrace(tokens, values, ranks, entropies, ids, topk, texts, 1.0)


def run(name: str = "one", pieces: tuple[str, ...] = ("The", " cat"), **changes: Any) -> RunDetail:
    """A succeeded run of a small model with a trace and one attribution."""
    tokens = tokenized(list(pieces))
    row = RunRow(
        id=name, status=RunStatus.SUCCEEDED, experiment_id="e", experiment="exp", model_id="m", model="toy",
        prompt_set="set", prompt_key="p1", text=tokens.text, target=None, foil=None, tags=(), pair_id=None,
        group_name=None, created_at=WHEN, seconds=0.1, n_tokens=len(pieces), mean_surprisal=None, perplexity=None,
        next_token=None,
        next_token_prob=None, next_entropy=None, target_logprob=None, target_rank=None, margin=None, continuation=None,
        error=None, error_kind=None,
    )  # fmt: skip
    info = ModelInfo(ModelRef("toy", weights_sha256="w1"), "Toy", 2, 3, 3, 8, 100, 64, 10, "t1", "folder", "")
    scores = np.arange(len(pieces), dtype=np.float32) - 0.5
    attribution = Attribution("input_x_gradient", "logprob", " he", None, scores, ("position",), True, -1.0,
                              float("nan"), 0.0, {})  # fmt: skip
    detail = RunDetail(
        row, info, ("heads",), 0, {"torch": "2.13", "batch_size": 4, "weights_sha256": "w1"}, "key", None,
        trace(tokens, [float("nan"), *(-float(i) for i in range(1, len(pieces)))]), None, None, None, (attribution,),
        None, (),
    )  # fmt: skip
    return replace(detail, **changes)


def with_start(detail: RunDetail) -> RunDetail:
    """The same run of a tokenizer of another kind, that puts a start token first."""
    assert detail.trace is not None
    old = detail.trace.tokens
    spans = np.concatenate([[[0, 0]], old.char_spans]).astype(np.int32)
    tokens = TokenizedText(
        old.text, np.append(old.ids, 0), ("", *old.texts), spans, np.array([0, *old.words], np.int32),
        np.array([True, *old.special]),
    )  # fmt: skip
    info = replace(detail.model, tokenizer_sha256="t2")
    return replace(detail, model=info, trace=trace(tokens, [float("nan"), *(-1.0 for _ in old.texts)]))


def behind_api(
    name: str, expected: dict[str, float], pieces: tuple[str, ...] = ("The", " cat"), **changes: Any
) -> RunDetail:
    """A run as the black-box engine makes one: no ids, no probabilities but of what may follow the whole text."""
    detail = run(name, pieces, **changes)
    n, k = len(pieces), len(expected)
    unknown, none = np.full(n, np.nan, np.float32), np.full((n, k), -1, np.int32)
    told = np.full((n, k), np.nan, np.float32)
    told[-1] = np.log(list(expected.values()))
    texts = (*(("",) * k for _ in range(n - 1)), tuple(expected))
    tokens = replace(tokenized(list(pieces)), ids=np.full(n, -1, np.int32))
    seen = TokenTrace(tokens, unknown, np.full(n, -1, np.int32), unknown, none, told, texts, float("nan"))
    info = ModelInfo(ModelRef("asked", None, BLACK_BOX, "unknown", "w9"), "unknown", 0, 0, 0, 0, 0, 0, 0, "unknown",
                     "api", "http://127.0.0.1")  # fmt: skip
    return replace(detail, model=info, trace=seen, heads=None)


class Runs:
    """A store of the runs given, which counts how often it is asked."""

    def __init__(self, *details: RunDetail) -> None:
        self.known, self.asked = {detail.row.id: detail for detail in details}, 0

    def run(self, run_id: str) -> RunDetail:
        self.asked += 1
        if run_id not in self.known:
            raise UnknownNameError("run", run_id, self.known)
        return self.known[run_id]

    def details(self, ids: list[str], *, evidence: bool = True) -> tuple[RunDetail, ...]:
        self.asked += 1
        return tuple(self.known[id_] for id_ in ids if id_ in self.known)

    def runs(self, ids: list[str]) -> tuple[RunRow, ...]:
        return tuple(self.known[id_].row for id_ in ids if id_ in self.known)

    def attention(self, run_id: str) -> Any:
        return None

    def offensive(self, ids: list[str]) -> Offences:
        return {}
