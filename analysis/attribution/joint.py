"""Explaining a whole target of several tokens: its joint log-probability, or that minus its foil's.

log p(target) = sum over its tokens of log p(token | prompt, the target's tokens before it). Every term is a row of its
own, in which the target's own earlier tokens are given: methods leave them where they are, so scores are the prompt's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headscope.analysis.attribution.continuations import extended, together
from headscope.analysis.attribution.many_tokens import ManyTokens, Side
from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.types import Attribution, Continuation, Float32, GenerationParams, Params, Target, TokenizedText
from headscope.analysis.types.outcome import NOTHING, Outcome
from headscope.analysis.types.tokens import first_tokens

OWN = "the target's own tokens"
"""A term: what rests on tokens of the target that come before the one a row explains."""
_SAME = "target and foil are the same tokens, so their difference is zero everywhere: write another foil"


class WholeTargets(ManyTokens):
    """For each prompt the joint log-probability of all tokens of its target, minus that of all tokens of its foil if it
    has one; axes are the method's, scores of a signed one sums over the tokens.

    An unsigned method has no difference: its scores are means over the target's tokens, and the foil is left out.
    """

    def __init__(self, backend: WhiteBoxBackend, prompts: Sequence[TokenizedText], targets: Sequence[Target]) -> None:
        self._targets = targets
        sides = [
            [_side(backend, prompt, ids, sign) for ids, sign in ((target.ids, 1), (target.foil_ids, -1)) if ids]
            for prompt, target in zip(prompts, targets, strict=True)
        ]
        super().__init__(backend, prompts, sides, "logprob")

    def whole(self, name: str, index: int, rows: Sequence[Attribution], params: Params) -> Attribution:
        """See `ManyTokens`."""
        target = self._targets[index]
        if target.ids == target.foil_ids:
            return failed_attribution(name, target, _SAME, signed=True, seconds=0.0, params=params)
        return _joint(rows, self.sides[index], len(self.prompts[index]), params)

    def ranked(self, found: Attribution) -> Attribution:
        """See `ManyTokens`: its scores are the prompt's already."""
        return found


def _side(backend: WhiteBoxBackend, prompt: TokenizedText, ids: Sequence[int], sign: int) -> Side:
    """Prompt and these tokens, each of which is explained with the ones before it given."""
    texts, unknown = tuple(backend.decode(ids)), np.full(len(ids), np.nan, dtype=np.float32)
    forced = Continuation("".join(texts), np.array(ids, dtype=np.int32), texts, unknown, GenerationParams())
    text = extended(prompt, forced)
    rows = (replace(first_tokens(text, len(prompt) + k), given=k) for k in range(len(ids)))
    return Side(replace(text, given=len(ids)), tuple(rows), sign)


def _joint(answers: Sequence[Attribution], sides: Sequence[Side], length: int, params: Params) -> Attribution:
    signed = answers[0].signed
    used = sides if signed else sides[:1]
    shares = [side.sign if signed else 1 / len(side.rows) for side in used for _ in side.rows]
    rows = answers[: len(shares)]
    first, difference = rows[0], "_difference" if len(used) > 1 else ""
    error = next((f"{row.target!r}: {row.error}" for row in rows if row.error), None)
    whole = replace(
        first,
        quantity=f"joint_{first.quantity}{difference}",
        target=sides[0].own,
        foil=used[1].own if len(used) > 1 else None,
        seconds=sum(row.seconds for row in rows),
        params=params,
        error=error,
    )
    if error is not None:
        empty = np.empty(0, dtype=np.float32)
        return replace(
            whole,
            scores=empty,
            layer_scores=None,
            head_scores=None,
            score_errors=None,
            outcome=NOTHING,
            value=float("nan"),
        )
    cut = [row.scores[..., :length] if row.axes[-1] == "position" else row.scores for row in rows]
    signs = [side.sign for side in used for _ in side.rows]
    delta = _sum(signs, [row.convergence_delta for row in rows])
    layers = [row.layer_scores[:, :length] for row in rows if row.layer_scores is not None]
    heads = [row.head_scores for row in rows if row.head_scores is not None]
    errors = [row.score_errors[..., :length] for row in rows if row.score_errors is not None]
    return replace(
        whole,
        scores=_added(shares, cut),
        layer_scores=_added(shares, layers) if layers else None,
        head_scores=_added(shares, heads) if heads else None,
        score_errors=_added([abs(share) for share in shares], errors) if errors else None,
        value=_sum(signs, [row.value for row in rows]),
        convergence_delta=delta,
        outcome=_outcome(rows, signs, length, adds_up=signed and math.isfinite(delta)),
    )


def _outcome(rows: Sequence[Attribution], signs: Sequence[int], length: int, *, adds_up: bool) -> Outcome:
    found = together([row.outcome for row in rows])
    terms = {label: _sum(signs, [row.outcome.terms[label] for row in rows]) for label in rows[0].outcome.terms}
    if adds_up and (own := _sum(signs, [float(np.nansum(row.scores[..., length:])) for row in rows])):
        terms[OWN] = own
    changes = [row.outcome.value_change for row in rows]
    known = [change for change in changes if change is not None]
    return replace(
        found,
        terms=terms,
        value_change=_sum(signs, known) if len(known) == len(rows) else None,
        error=sum(row.outcome.error for row in rows if row.outcome.error is not None) or None,
        facts={**rows[0].outcome.facts, "target tokens": signs.count(1), "foil tokens": signs.count(-1)},
    )


def _sum(signs: Sequence[int], values: Sequence[float]) -> float:
    return float(sum(sign * value for sign, value in zip(signs, values, strict=True)))


def _added(shares: Sequence[float], arrays: Sequence[Float32]) -> Float32:
    found: Float32 = np.tensordot(np.asarray(shares, dtype=np.float32), np.stack(arrays), axes=1)
    return found
