"""One typed prompt for the Live page, in answers that are short enough to be waited for. Nothing is stored.

`analyse_live` is one forward pass. `explain_live` is leave-one-out, in parts of bounded size, so that a newer text
never waits long for an older one's explanation. `continue_live` writes on.
"""

from __future__ import annotations

import time

from headscope.analysis.backends.needs import unmet
from headscope.analysis.errors import InputError, NotApplicable
from headscope.analysis.interfaces import Capture, TextBackend, WhiteBoxBackend
from headscope.analysis.measurements import attention, heads, trace
from headscope.analysis.methods.occlusion import Occlusion
from headscope.analysis.registry import Needs
from headscope.analysis.types import Continuation, Target, TokenizedText, against
from headscope.analysis.types.live import (
    MOST_LIVE_TOKENS,
    LiveContinueRequest,
    LiveExplainRequest,
    LiveExplanation,
    LiveRequest,
    LiveResult,
)
from headscope.analysis.types.tokens import first_tokens
from headscope.analysis.workspace import Workspace

MAX_NEW_TOKENS = 64
PART_TOKENS = 1024
"""Tokens of one part of a leave-one-out: all variants of 32 tokens are one part, in one pass."""


def analyse_live(backend: WhiteBoxBackend, request: LiveRequest) -> LiveResult:
    """Trace, head summaries and attention of `request.text`.

    Raises InputError (kinds `empty`, `too_long`, `target_missing`, `target_equals_foil`, `target_position`),
    NotApplicable for a model that gives no attention, BackendError when it computes NaN.
    """
    started = time.perf_counter()
    if (reason := unmet(Needs(pattern=True), backend)) is not None:
        raise NotApplicable(f"this view is made of attention weights, and {reason}.")
    work, target = _looked_at(backend, request, Capture(attention=True))
    return LiveResult(
        request=request,
        info=backend.info,
        trace=trace.measure(work, [target])[0],
        heads=heads.measure(work, [target])[0],
        attention=attention.measure(work, [target])[0],
        target=target,
        seconds=time.perf_counter() - started,
    )


def explain_live(backend: WhiteBoxBackend, request: LiveExplainRequest) -> LiveExplanation:
    """The leave-one-out of at most `PART_TOKENS` tokens of variants, at least one unit. Raises as `analyse_live`."""
    work, target = _looked_at(backend, request.look, Capture(last_logits_only=True))
    most = max(1, PART_TOKENS // (int(work.positions[0]) + 1))
    params = {"unit": request.unit, "masking": request.masking}
    found, units = Occlusion().part(work, target, params, slice(request.first, request.first + most))
    if request.first and request.first >= units:
        raise InputError(f"there are {units} {request.unit}s that can be left out, so none from {request.first} on.")
    return LiveExplanation(found, request.first, min(request.first + most, units), units)


def continue_live(backend: TextBackend, request: LiveContinueRequest) -> Continuation:
    """At most `MAX_NEW_TOKENS` tokens after the text. Raises InputError for a text that is too long or empty."""
    if request.params.max_new_tokens > MAX_NEW_TOKENS:
        raise InputError(
            f"the live view continues a text by at most {MAX_NEW_TOKENS} tokens: for more, use `headscope run "
            f"--max-new-tokens {request.params.max_new_tokens}`."
        )
    return backend.generate([_tokens(backend, request.text)], request.params)[0]


def _looked_at(backend: WhiteBoxBackend, request: LiveRequest, capture: Capture) -> tuple[Workspace, Target]:
    text = _tokens(backend, request.text)
    position = request.target_position
    if position is not None and not 1 <= position < len(text):
        raise InputError(
            f"token {position} cannot be explained: choose one from 1 to {len(text) - 1} (0 has nothing before it).",
            "target_position",
        )
    work = Workspace(backend, [text], capture, None if position is None else [position - 1])
    return work, _target(work, text, request)


def _tokens(backend: TextBackend, typed: str) -> TokenizedText:
    text = backend.tokenize(typed)
    if len(text) > MOST_LIVE_TOKENS:
        raise InputError(
            f"the text has {len(text):,} tokens, and the live view takes {MOST_LIVE_TOKENS}: shorten it, or analyse it "
            "with `headscope run --prompts FILE`.",
            "too_long",
        )
    return text


def _target(work: Workspace, text: TokenizedText, request: LiveRequest) -> Target:
    logprobs = work.next_logprobs[0]
    if request.target_position is None:
        return work.backend.resolve_target(text, request.target, request.foil, logprobs)
    token = int(text.ids[request.target_position])
    target = Target(
        token_id=token,
        text=work.backend.decode([token])[0],
        n_tokens=1,
        chosen="given",
        logprob=float(logprobs[token]),
        rank=int((logprobs > logprobs[token]).sum()) + 1,
    )
    if request.foil is None:
        return target
    foil = work.backend.resolve_target(first_tokens(text, request.target_position), request.foil, None, logprobs)
    if foil.token_id == token:
        raise InputError(
            f"the foil {request.foil!r} begins with the token it is compared with: choose another.",
            "target_equals_foil",
        )
    return against(target, foil)
