"""Explaining a whole continuation: every generated token by the tokens before it, as a target x source matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headscope.analysis import alignment
from headscope.analysis.attribution.many_tokens import ManyTokens, Side
from headscope.analysis.attribution.results import position_scores
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types import Attribution, Continuation, Float32, Params, TokenizedText
from headscope.analysis.types.outcome import NOTHING, Outcome
from headscope.analysis.types.tokens import first_tokens

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


class Continued(ManyTokens):
    """For each prompt all tokens of its continuation: axes `(target_position, position)`, what a method adds between.

    Row k explains generated token k given the prompt and the tokens before it; scores at and after that token are NaN.
    value and convergence_delta are sums over the generated tokens: of `logprob` the continuation's log-likelihood.
    """

    def __init__(
        self,
        backend: WhiteBoxBackend,
        prompts: Sequence[TokenizedText],
        continuations: Sequence[Continuation],
        quantity: str,
    ) -> None:
        sides = [[_side(*both)] for both in zip(prompts, continuations, strict=True)]
        super().__init__(backend, prompts, sides, quantity)

    def whole(self, name: str, index: int, rows: Sequence[Attribution], params: Params) -> Attribution:
        """See `ManyTokens`."""
        (side,) = self.sides[index]
        return _stacked(name, side.own, len(side.text), self.quantity, rows)

    def ranked(self, found: Attribution) -> Attribution:
        """See `ManyTokens`: of every token of the prompt the sum over the generated tokens, of an unsigned method the
        mean."""
        if found.error is not None:
            return found
        rows = [position_scores(replace(found, scores=row, axes=found.axes[1:])) for row in found.scores]
        over_tokens = [row for row in rows if row is not None]
        if not over_tokens:
            return replace(found, axes=found.axes[1:], scores=found.scores.sum(0))
        whole = np.stack(over_tokens)[:, : -len(over_tokens)]
        return replace(found, axes=("position",), scores=whole.sum(0) if found.signed else whole.mean(0))


def _side(prompt: TokenizedText, continuation: Continuation) -> Side:
    text, count = extended(prompt, continuation), len(continuation.ids)
    return Side(replace(text, given=count), tuple(first_tokens(text, len(prompt) + k) for k in range(count)))


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
