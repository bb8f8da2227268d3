"""How expected each token was, and what the model would say next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from headscope.analysis.errors import BackendError
from headscope.analysis.finite import finite_rows
from headscope.analysis.types import Target, TokenizedText, TokenTrace
from headscope.analysis.workspace import Workspace

TOP_K = 20


@dataclass(frozen=True, slots=True)
class _Rows:
    """Per real token of the batch, flattened to N rows: log-probability, rank, entropy of what follows, candidates.
    Where the model gave NaN or infinity: NaN, and -1 for ranks and ids."""

    logprobs: Tensor
    ranks: Tensor
    entropies: Tensor
    topk_ids: Tensor
    topk_logprobs: Tensor


def measure(work: Workspace, targets: Sequence[Target]) -> list[TokenTrace]:
    """One TokenTrace per prompt, with `TOP_K` candidates."""
    return token_traces(work)


def token_traces(work: Workspace, top_k: int = TOP_K) -> list[TokenTrace]:
    """One TokenTrace per prompt; `top_k` candidates per position (fewer when the vocabulary is smaller), none (-1, NaN,
    "") where the model's logits are no numbers.

    The vocabulary-wide rows exist only in chunks of bounded size. Raises BackendError when a prompt has none at all.
    """
    if (readable := work.readable) is not work:
        return [_with_rest(readable, token_traces(readable, top_k)[0], work.texts[0])]
    mask = work.batch.attention_mask.bool()
    # what follows each token: the next id, or any id after the last token (its logprob and rank are not used)
    following = torch.roll(work.batch.input_ids, -1, dims=1)[mask]
    rows = _trace_rows(work, following, min(top_k, work.backend.info.vocab_size))
    candidates = decoded(work, rows.topk_ids)
    traces, start = [], 0
    for index, length in enumerate(work.batch.lengths.tolist()):
        if not (rows.topk_ids[start : start + length] >= 0).any():
            raise BackendError(work.overflow("logits for this text"))
        traces.append(_trace_of(work, index, rows, candidates, slice(start, start + length)))
        start += length
    return traces


def _trace_rows(work: Workspace, following: Tensor, top_k: int) -> _Rows:
    """Statistics of the next-token distributions after each of N real tokens; `following` `[N]` is what came."""
    parts = []
    for span, logits in work.token_logits():
        bad = ~finite_rows(logits)
        logprobs = logits.sub_(torch.logsumexp(logits, dim=-1, keepdim=True))
        chosen = logprobs.gather(-1, following[span][:, None])
        ranks = (logprobs > chosen).sum(-1) + 1
        top = torch.topk(logprobs, top_k, dim=-1)
        entropies = -(logprobs.exp().mul_(logprobs)).sum(-1)
        chosen, entropies = (values.masked_fill(bad, torch.nan) for values in (chosen[:, 0], entropies))
        ids, best = top.indices.masked_fill(bad[:, None], -1), top.values.masked_fill(bad[:, None], torch.nan)
        parts.append((chosen, ranks.masked_fill(bad, -1), entropies, ids, best))
    return _Rows(*(torch.cat(column).cpu() for column in zip(*parts, strict=True)))


def _with_rest(start: Workspace, trace: TokenTrace, text: TokenizedText) -> TokenTrace:
    """The trace of a start of the text; of what comes after it only how expected its first token was."""
    n, k = len(text) - len(trace.tokens), trace.topk_ids.shape[1]
    nan = np.full(n, np.nan, dtype=np.float32)
    logprobs, entropies, ranks = nan.copy(), nan.copy(), np.full(n, -1, dtype=np.int32)
    expected, came = start.next_logprobs[0], int(text.ids[len(trace.tokens)])
    logprobs[0], entropies[0] = float(expected[came]), trace.next_entropy
    ranks[0] = int((expected > expected[came]).sum()) + 1
    return TokenTrace(
        tokens=text,
        logprobs=np.concatenate([trace.logprobs, logprobs]),
        ranks=np.concatenate([trace.ranks, ranks]),
        entropies=np.concatenate([trace.entropies, entropies]),
        topk_ids=np.concatenate([trace.topk_ids, np.full((n, k), -1, dtype=np.int32)]),
        topk_logprobs=np.concatenate([trace.topk_logprobs, np.full((n, k), np.nan, dtype=np.float32)]),
        topk_texts=(*trace.topk_texts, *((("",) * k,) * n)),
        next_entropy=float("nan"),
    )


def decoded(work: Workspace, ids: Tensor) -> list[str]:
    """Readable text of token ids (flattened), "" for -1."""
    known = iter(work.decode(ids[ids >= 0]))
    return [next(known) if token >= 0 else "" for token in ids.flatten().tolist()]


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
