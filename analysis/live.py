"""One typed prompt, analysed in one forward and one backward pass: what the Live page draws. Nothing is stored."""

from __future__ import annotations

import time
from dataclasses import replace

from analysis.continuations import first_tokens
from analysis.errors import InputError, NotApplicable
from analysis.head_stats import head_summaries
from analysis.interfaces import Capture, CausalBackend
from analysis.methods.input_x_gradient import InputXGradient
from analysis.methods.saliency import Saliency
from analysis.runner import attention_tensors
from analysis.token_trace import token_traces
from analysis.types import LiveRequest, LiveResult, Target, TokenizedText
from analysis.workspace import Workspace

MAX_TOKENS = 256  # every head's pattern goes to the page: 256 tokens of a 30 x 9 head model are 35 MB


def analyse_live(backend: CausalBackend, request: LiveRequest) -> LiveResult:
    """Trace, head summaries and attention of `request.text`; when asked for, saliency and gradient x input.

    Raises InputError (kinds `empty`, `too_long`, `target_missing`, `target_equals_foil`, `target_position`),
    NotApplicable for a model that gives no attention, BackendError when it computes NaN.
    """
    started = time.perf_counter()
    if not backend.capabilities.attention:
        raise NotApplicable(f"{backend.info.ref.name} does not give its attention weights, which this view is made of.")
    text = backend.tokenize(request.text)
    if len(text) > MAX_TOKENS:
        raise InputError(
            f"the text has {len(text):,} tokens, and the live view takes {MAX_TOKENS}: shorten it, or analyse it with "
            "`headscope run --prompts FILE`.",
            "too_long",
        )
    position = request.target_position
    if position is not None and not 1 <= position < len(text):
        raise InputError(
            f"token {position} cannot be explained: choose one from 1 to {len(text) - 1} (0 has nothing before it).",
            "target_position",
        )
    capture = Capture(attention=True, gradients=request.attributions)
    work = Workspace(backend, [text], capture, None if position is None else [position - 1])
    target = _target(work, text, request)
    methods = (Saliency(), InputXGradient()) if request.attributions else ()
    attributions = tuple(method.attribute(work, [target], {})[0] for method in methods)
    return LiveResult(
        request=request,
        info=backend.info,
        trace=token_traces(work)[0],
        heads=head_summaries(work.forward.attentions, work.batch, work.forward.visible)[0],
        attention=attention_tensors(work)[0],
        target=target,
        attributions=attributions,
        seconds=time.perf_counter() - started,
    )


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
    return replace(
        target,
        foil_id=foil.token_id,
        foil_text=foil.text,
        foil_n_tokens=foil.n_tokens,
        foil_logprob=foil.logprob,
        foil_rank=foil.rank,
    )
