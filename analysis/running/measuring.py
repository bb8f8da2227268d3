"""The parts of a run that a request may ask for, from the passes its batch shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from headscope.analysis.attribution.attention_rows import why_no_pattern
from headscope.analysis.attribution.continuations import explain_continuations
from headscope.analysis.attribution.results import failed_attribution
from headscope.analysis.errors import NotApplicable, message
from headscope.analysis.interfaces import Capture, CausalBackend, Method
from headscope.analysis.measurements.heads import head_summaries
from headscope.analysis.measurements.layers import layer_summaries
from headscope.analysis.measurements.lens import lens_tables
from headscope.analysis.running.parts import Parts
from headscope.analysis.types import Attribution, Continuation, Target, TokenizedText
from headscope.analysis.workspace import Workspace


def shared_work(backend: CausalBackend, texts: Sequence[TokenizedText], capture: Capture) -> Workspace:
    """The batch after its shared pass. Where a pass that keeps more than the logits fails, a plain one is made: what
    needed more then fails by itself, and the rest is measured."""
    work = Workspace(backend, texts, capture)
    try:
        work.forward  # noqa: B018 - computes it
    except Exception:
        if len(texts) > 1 or capture == Capture():
            raise
        return Workspace(backend, texts, Capture())
    return work


def explained(
    work: Workspace,
    continuations: Sequence[Continuation] | None,
    targets: Sequence[Target],
    methods: Mapping[str, tuple[Method, dict[str, Any]]],
    capture: Capture,
    parts: Parts,
) -> list[tuple[Attribution, ...]]:
    """Attributions of the continuations, or failed ones with the reason why there are none."""
    if continuations is None:
        reason = f"there is no continuation to explain: {parts.missing[-1].reason}"
    else:
        try:
            return explain_continuations(work.backend, work.texts, continuations, methods, capture, targets[0].quantity)
        except Exception as error:  # as in `_attribute`
            if len(targets) > 1:
                raise
            reason = message(error)
    return [
        tuple(without_scores(name, target, reason, params) for name, (_, params) in methods.items())
        for target in targets
    ]


def without_scores(name: str, target: Target, reason: str, params: dict[str, Any]) -> Attribution:
    """An attribution that failed before its method began."""
    return failed_attribution(name, target, reason, signed=False, seconds=0.0, params=params)


def attention_tensors(work: Workspace) -> list[NDArray[np.float16]]:
    """Attention of each prompt without its padding, float16 `[layer, head, query, key]`."""
    stacked = torch.stack([layer.detach().half() for layer in _patterns(work)], dim=1)
    return [stacked[i, :, :, :n, :n].cpu().numpy().copy() for i, n in enumerate(work.batch.lengths.tolist())]


def _patterns(work: Workspace) -> Sequence[torch.Tensor]:
    """Attention of the shared pass. Raises NotApplicable where the model gives none."""
    if (reason := why_no_pattern(work.backend)) is not None:
        raise NotApplicable(reason)
    return work.attentions


COLUMNS: dict[str, tuple[str, Callable[[Workspace, Sequence[Target]], Sequence[Any]]]] = {
    "heads": ("heads", lambda work, _: head_summaries(_patterns(work), work.batch, work.visible)),
    "layers": ("layers", layer_summaries),
    "lens": ("logit_lens", lambda work, _: lens_tables(work)),
    "attention": ("attention", lambda work, _: attention_tensors(work)),
}
