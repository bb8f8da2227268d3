"""Explaining a whole continuation: every generated token by the tokens before it, as a target x source matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from headscope.analysis import alignment
from headscope.analysis.attribution.asked import answers, reason_against, without_scores
from headscope.analysis.attribution.embedding_path import graph_bytes
from headscope.analysis.interfaces import Capture, LoadedMethod, WhiteBoxBackend
from headscope.analysis.types import Attribution, Continuation, Float32, Target, TokenizedText
from headscope.analysis.types.outcome import NOTHING, Outcome
from headscope.analysis.types.tokens import first_tokens
from headscope.analysis.workspace import Workspace

BYTES_PER_BATCH = 1 << 30
_PAIR = (
    "it compares what two prompts say next, and a partner has no such continuation: explain the next token instead "
    "(leave out --explain continuation)"
)
_NOTHING = "the model ended the text at once, so there is no generated token to explain"


def extended(prompt: TokenizedText, continuation: Continuation) -> TokenizedText:
    """Prompt and continuation as one tokenized text; the prompt's tokens and spans stay as they are."""
    ends = len(prompt.text) + np.cumsum([len(text) for text in continuation.texts], dtype=np.int32)
    starts = np.concatenate([[len(prompt.text)], ends[:-1]]) if len(ends) else ends
    spans = np.concatenate([prompt.char_spans, np.stack([starts, ends], axis=-1)]).astype(np.int32)
    text = prompt.text + "".join(continuation.texts)
    special = np.concatenate([prompt.special, np.zeros(len(continuation.ids), dtype=bool)])
    words = alignment.token_words(text, spans, special.tolist())
    ids = np.concatenate([prompt.ids, continuation.ids]).astype(np.int32)
    return TokenizedText(text, ids, prompt.texts + continuation.texts, spans, words, special)


def explain_continuations(
    backend: WhiteBoxBackend,
    prompts: Sequence[TokenizedText],
    continuations: Sequence[Continuation],
    methods: Mapping[str, LoadedMethod],
    capture: Capture,
    quantity: str,
) -> list[tuple[Attribution, ...]]:
    """For each prompt one Attribution per method, axes `(target_position, position)` and what a method adds before it.

    Row k explains generated token k given the prompt and the tokens before it; scores at and after that token are NaN.
    value and convergence_delta are sums over the generated tokens: of `logprob` the continuation's log-likelihood.
    Each row is a prompt of its own, so that rows of all prompts share the methods' passes.
    """
    texts = [extended(prompt, continuation) for prompt, continuation in zip(prompts, continuations, strict=True)]
    owners = [(i, k) for i, text in enumerate(texts) for k in range(len(prompts[i]), len(text))]
    rows = [first_tokens(texts[i], k) for i, k in owners]
    found = rows_explained(backend, rows, [int(texts[i].ids[k]) for i, k in owners], methods, capture, quantity)
    return [
        tuple(
            _stacked(name, text.text[len(prompt.text) :], len(text), quantity, mine)
            for name, given in found.items()
            for mine in [[one for one, (owner, _) in zip(given, owners, strict=True) if owner == i]]
        )
        for i, (prompt, text) in enumerate(zip(prompts, texts, strict=True))
    ]


def rows_explained(
    backend: WhiteBoxBackend,
    rows: Sequence[TokenizedText],
    ids: Sequence[int],
    methods: Mapping[str, LoadedMethod],
    capture: Capture,
    quantity: str,
) -> dict[str, list[Attribution]]:
    """Every method's answers for rows, each explaining the token `ids[row]` that follows it, in passes they share."""
    found: dict[str, list[Attribution]] = {name: [] for name in methods}
    for part in _parts(backend, rows):
        work = Workspace(backend, [rows[row] for row in part], capture)
        targets = _targets(work, [ids[row] for row in part], quantity)
        for name, loaded in methods.items():
            reason = _PAIR if loaded.needs.pair else reason_against(loaded, backend)
            found[name] += (
                answers(loaded, work, targets)
                if reason is None
                else [without_scores(name, target, reason, loaded) for target in targets]
            )
    return found


def _parts(backend: WhiteBoxBackend, rows: Sequence[TokenizedText]) -> list[range]:
    """Consecutive rows whose passes, padded to the longest, fit in `BYTES_PER_BATCH`."""
    parts: list[range] = []
    start = 0
    for end in range(1, len(rows) + 1):
        longest = max((len(row) for row in rows[start : end + 1]), default=0)
        if end == len(rows) or (end - start + 1) * graph_bytes(backend.info, longest) > BYTES_PER_BATCH:
            parts.append(range(start, end))
            start = end
    return parts


def _targets(work: Workspace, ids: Sequence[int], quantity: str) -> list[Target]:
    texts = work.backend.decode(ids)
    chosen = work.next_logprobs[range(len(ids)), ids]
    ranks = (work.next_logprobs > chosen[:, None]).sum(-1) + 1
    return [
        Target(token, text, 1, "generated", float(logprob), int(rank), quantity=quantity)
        for token, text, logprob, rank in zip(ids, texts, chosen, ranks, strict=True)
    ]


def _stacked(name: str, target: str, length: int, quantity: str, rows: Sequence[Attribution]) -> Attribution:
    """Rows as one Attribution whose first axis is `target_position`; one failed row fails it, with its reason."""
    failed = next((f"token {k}, {row.target!r}: {row.error}" for k, row in enumerate(rows) if row.error), None)
    first = rows[0] if rows else None
    scores = np.empty(0, dtype=np.float32)
    if failed is None and rows:
        scores = np.stack([_padded(row.scores, length) if row.axes[-1] == "position" else row.scores for row in rows])
    errors = [row.score_errors for row in rows if row.score_errors is not None]
    return Attribution(
        method=name,
        quantity=first.quantity if first is not None else quantity,
        target=target,
        foil=None,
        scores=scores,
        axes=("target_position", *(first.axes if first is not None else ("position",))),
        signed=first is not None and first.signed,
        value=float(sum(row.value for row in rows)) if rows else float("nan"),
        convergence_delta=float(sum(row.convergence_delta for row in rows)) if rows else float("nan"),
        seconds=sum(row.seconds for row in rows),
        params=first.params if first is not None else {},
        error=failed if rows else _NOTHING,
        score_errors=np.stack([_padded(row, length) for row in errors]) if scores.size and errors else None,
        outcome=together([row.outcome for row in rows]) if scores.size else NOTHING,
    )


def together(rows: Sequence[Outcome]) -> Outcome:
    """Shares of the value and steps as sums over rows, of errors the largest; converged only when every row is. The
    rest is said of the prompt, and so alike in all: the first row's; of facts that differ every row's."""
    first = rows[0]
    steps, changes = [one.steps for one in rows], [one.value_change for one in rows]
    return replace(
        first,
        converged=None if first.converged is None else all(one.converged for one in rows),
        steps=None if None in steps else sum(filter(None, steps)),
        value_change=None if None in changes else float(sum(filter(None, changes))),
        error=max((one.error for one in rows if one.error is not None), default=None),
        terms={name: float(sum(one.terms[name] for one in rows)) for name in first.terms},
        facts={**{name: _one(name, rows) for name in first.facts}, "generated tokens": len(rows)},
    )


def _one(name: str, rows: Sequence[Outcome]) -> str | int | float | bool:
    said = [one.facts[name] for one in rows]
    texts = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in said]
    return said[0] if len(set(said)) == 1 else "; ".join(f"token {k}: {text}" for k, text in enumerate(texts))


def _padded(scores: Float32, length: int) -> Float32:
    padded = np.full((*scores.shape[:-1], length), np.nan, dtype=np.float32)
    padded[..., : scores.shape[-1]] = scores
    return padded
