"""Every method's answers for a batch: one that cannot serve, or fails, says why and leaves the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from headscope.analysis.attribution.asked import answers, reason_against, without_scores
from headscope.analysis.attribution.continuations import explain_continuations
from headscope.analysis.attribution.evidence import attach_receipts
from headscope.analysis.attribution.joint import explain_targets
from headscope.analysis.attribution.removal_test import RemovalTest
from headscope.analysis.attribution.results import nothing_to_explain
from headscope.analysis.errors import message
from headscope.analysis.interfaces import Capture, LoadedMethod
from headscope.analysis.params import resolve_params
from headscope.analysis.registry import METHODS
from headscope.analysis.running.memory import Peak, peak
from headscope.analysis.running.parts import Parts
from headscope.analysis.types import Attribution, Continuation, Params, Target
from headscope.analysis.workspace import Workspace

Methods = Mapping[str, LoadedMethod]
Answers = list[tuple[Attribution, ...]]


def load_method(name: str, given: Params) -> LoadedMethod:
    """The method `name` with all its parameters. Raises UnknownNameError or InputError for wrong ones."""
    entry = METHODS.find(name)
    return LoadedMethod(entry.load()(), entry.needs, resolve_params(name, given))


def attributed(
    work: Workspace,
    targets: Sequence[Target],
    methods: Methods,
    evidence: Params | None,
    parts: Parts,
    at: Callable[[str], None],
) -> Answers:
    """Every method's answers for each prompt, with receipts unless `evidence` (their parameters) is None. `at` hears
    what is begun."""
    test = None
    if evidence is not None and methods:  # first: methods read what it removes from all prompts
        at("receipts")
        test = parts.attempt("receipts", lambda: RemovalTest(work, targets, evidence))
    found = {}
    for name, loaded in methods.items():
        at(METHODS[name].label)
        found[name] = _measured(work, targets, name, loaded)
    if test is not None:
        at("receipts")
        found = parts.attempt("receipts", lambda: attach_receipts(test, methods, found)) or found
    return [tuple(attributions[row] for attributions in found.values()) for row in range(len(targets))]


def continuations_explained(
    work: Workspace,
    continuations: Sequence[Continuation] | None,
    targets: Sequence[Target],
    methods: Methods,
    capture: Capture,
    parts: Parts,
) -> Answers:
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
        tuple(without_scores(name, target, reason, loaded) for name, loaded in methods.items()) for target in targets
    ]


def targets_explained(work: Workspace, targets: Sequence[Target], methods: Methods, capture: Capture) -> Answers:
    """Attributions of whole targets, of all their tokens together."""
    try:
        return explain_targets(work.backend, work.texts, targets, methods, capture)
    except Exception as error:  # as in `_attribute`
        if len(targets) > 1:
            raise
        reason = message(error)
    return [
        tuple(without_scores(name, target, reason, loaded) for name, loaded in methods.items()) for target in targets
    ]


def unexplained(work: Workspace, targets: Sequence[Target], methods: Methods) -> Answers:
    """Failed attributions of prompts after which the model predicts nothing, or whose foil is the target: no method is
    run for them."""
    return [
        tuple(
            without_scores(
                name,
                target,
                reason_against(loaded, work.backend) or nothing_to_explain(target) or _no_value(work.unpredicted),
                loaded,
            )
            for name, loaded in methods.items()
        )
        for target in targets
    ]


def _no_value(why: str) -> str:
    return f"there is no value to explain: {why}"


def _measured(work: Workspace, targets: Sequence[Target], name: str, loaded: LoadedMethod) -> list[Attribution]:
    """The method's answers with the memory it took for the batch; not measured on another device than the CPU."""
    on_cpu = work.batch.input_ids.device.type == "cpu"
    with peak() if on_cpu else nullcontext(Peak()) as held:
        found = _attribute(work, targets, name, loaded)
    return [replace(one, peak_bytes=held.n_bytes) for one in found]


def _attribute(work: Workspace, targets: Sequence[Target], name: str, loaded: LoadedMethod) -> list[Attribution]:
    """The method's answers; a failure of one prompt alone is a failed attribution, its other results stay."""
    reason = reason_against(loaded, work.backend)
    if reason is None:
        try:
            return answers(loaded, work, targets)
        except Exception as error:
            if len(targets) > 1:
                raise
            reason = message(error)
    return [without_scores(name, target, reason, loaded) for target in targets]
