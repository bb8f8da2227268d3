"""How expected each token was, and what the model would say next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from headscope.analysis.types import Target, TokenTrace
from headscope.analysis.workspace import Workspace

TOP_K = 20


@dataclass(frozen=True, slots=True)
class _Rows:
    """Per real token of the batch, flattened to N rows: log-probability, rank, entropy of what follows, candidates."""

    logprobs: Tensor
    ranks: Tensor
    entropies: Tensor
    topk_ids: Tensor
    topk_logprobs: Tensor


def measure(work: Workspace, targets: Sequence[Target]) -> list[TokenTrace]:
    """One TokenTrace per prompt, with `TOP_K` candidates."""
    return token_traces(work)


def token_traces(work: Workspace, top_k: int = TOP_K) -> list[TokenTrace]:
    """One TokenTrace per prompt; `top_k` candidates per position (fewer when the vocabulary is smaller).

    The vocabulary-wide rows exist only in chunks of bounded size.
    """
    mask = work.batch.attention_mask.bool()
    # what follows each token: the next id, or any id after the last token (its logprob and rank are not used)
    following = torch.roll(work.batch.input_ids, -1, dims=1)[mask]
    rows = _trace_rows(work, following, min(top_k, work.backend.info.vocab_size))
    candidates = work.decode(rows.topk_ids)
    traces, start = [], 0
    for index, length in enumerate(work.batch.lengths.tolist()):
        traces.append(_trace_of(work, index, rows, candidates, slice(start, start + length)))
        start += length
    return traces


def _trace_rows(work: Workspace, following: Tensor, top_k: int) -> _Rows:
    """Statistics of the next-token distributions after each of N real tokens; `following` `[N]` is what came."""
    parts = []
    for span, logits in work.token_logits():
        logprobs = logits.sub_(torch.logsumexp(logits, dim=-1, keepdim=True))
        chosen = logprobs.gather(-1, following[span][:, None])
        ranks = (logprobs > chosen).sum(-1) + 1
        top = torch.topk(logprobs, top_k, dim=-1)
        entropies = -(logprobs.exp().mul_(logprobs)).sum(-1)
        parts.append((chosen[:, 0], ranks, entropies, top.indices, top.values))
    return _Rows(*(torch.cat(column).cpu() for column in zip(*parts, strict=True)))


def _trace_of(work: Workspace, index: int, rows: _Rows, candidates: list[str], span: slice) -> TokenTrace:
    k = rows.topk_ids.shape[1]
    predicted = slice(span.start, span.stop - 1)
    nan, unranked = torch.tensor([float("nan")]), torch.tensor([-1])
    return TokenTrace(
        tokens=work.texts[index],
        logprobs=torch.cat([nan, rows.logprobs[predicted]]).numpy(),
        ranks=torch.cat([unranked, rows.ranks[predicted]]).to(torch.int32).numpy(),
        entropies=torch.cat([nan, rows.entropies[predicted]]).numpy(),
        topk_ids=rows.topk_ids[span].to(torch.int32).numpy(),
        topk_logprobs=rows.topk_logprobs[span].numpy(),
        topk_texts=tuple(tuple(candidates[row * k : (row + 1) * k]) for row in range(span.start, span.stop)),
        next_entropy=float(rows.entropies[span.stop - 1]),
    )
