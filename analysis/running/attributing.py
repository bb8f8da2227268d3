"""Every method's answers for a batch: one that cannot serve, or fails, says why and leaves the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from headscope.analysis.attribution.asked import answers, reason_against, without_scores
from headscope.analysis.attribution.asked_again import NextTokens
from headscope.analysis.attribution.continuations import Continued
from headscope.analysis.attribution.evidence import Found, attach_receipts
from headscope.analysis.attribution.head_test import HeadTest, Put, head_scores, put_for
from headscope.analysis.attribution.joint import WholeTargets
from headscope.analysis.attribution.many_tokens import ManyTokens
from headscope.analysis.attribution.removal_test import RemovalTest
from headscope.analysis.attribution.results import nothing_to_explain
from headscope.analysis.attribution.summed import next_tokens
from headscope.analysis.backends.suffix import why_no_suffix
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the prompts of a batch: methods, what their passes keep, the parameters of their receipts (None:
    no receipts). at: hears what is begun."""

    methods: Methods
    capture: Capture
    receipts: Params | None
    at: Callable[[str], None]


def load_method(name: str, given: Params) -> LoadedMethod:
    """The method `name` with all its parameters. Raises UnknownNameError or InputError for wrong ones."""
    entry = METHODS.find(name)
    return LoadedMethod(entry.load()(), entry.needs, resolve_params(name, given))


def attributed(work: Workspace, targets: Sequence[Target], asked: Asked, parts: Parts) -> Answers:
    """Every method's answers for each prompt, with receipts if there are to be some."""
    test, settings, methods = None, asked.receipts, asked.methods
    if settings is not None and methods:  # first: methods read what it removes from all prompts
        asked.at("receipts")
        test = parts.attempt("receipts", lambda: RemovalTest(work, next_tokens(work, targets), settings))
    found: dict[str, list[Attribution]] = {}
    for name, loaded in methods.items():
        asked.at(METHODS[name].label)
        found[name] = _measured(work, targets, name, loaded)
    with_receipts = None
    if test is not None:
        asked.at("receipts")
        with_receipts = parts.attempt("receipts", lambda: _next_token_receipts(work, targets, test, methods, found))
    return [tuple(given[row] for given in (with_receipts or found).values()) for row in range(len(targets))]


def _next_token_receipts(
    work: Workspace, targets: Sequence[Target], test: RemovalTest, methods: Methods, found: Found
) -> Found:
    """Of methods that score tokens by removing tokens, of those that score heads by removing heads."""
    again = NextTokens(work, targets)
    answers: dict[str, list[Attribution]] = {}
    for put, names in _by_what_is_removed(work, found).items():
        mine = {name: found[name] for name in names}
        held_against = test if put is None else HeadTest(work, targets, test.settings, put)
        answers |= attach_receipts(held_against, again, methods, mine)
    return {name: answers[name] for name in found}


def _by_what_is_removed(work: Workspace, found: Found) -> dict[Put | None, list[str]]:
    """Methods by what takes the place of heads that are removed; None: tokens are."""
    groups: dict[Put | None, list[str]] = {}
    for name, given in found.items():
        heads = [one for one in given if head_scores(one) is not None]
        put = put_for(heads[0]) if heads and why_no_suffix(work.backend) is None else None
        groups.setdefault(put, []).append(name)
    return groups


def continuations_explained(
    work: Workspace,
    continuations: Sequence[Continuation] | None,
    targets: Sequence[Target],
    asked: Asked,
    parts: Parts,
) -> Answers:
    """Attributions of the continuations, or failed ones with the reason why there are none."""
    if continuations is None:
        return _failed(targets, asked, f"there is no continuation to explain: {parts.missing[-1].reason}")
    quantity = targets[0].quantity
    return _many(targets, asked, parts, lambda: Continued(work.backend, work.texts, continuations, quantity))


def targets_explained(work: Workspace, targets: Sequence[Target], asked: Asked, parts: Parts) -> Answers:
    """Attributions of whole targets, of all their tokens together."""
    return _many(targets, asked, parts, lambda: WholeTargets(work.backend, work.texts, targets))


def _many(targets: Sequence[Target], asked: Asked, parts: Parts, make: Callable[[], ManyTokens]) -> Answers:
    try:
        many = make()
        found = many.explained(asked.methods, asked.capture)
    except Exception as error:  # as in `_attribute`
        if len(targets) > 1:
            raise
        return _failed(targets, asked, message(error))
    settings, with_receipts = asked.receipts, None
    if settings is not None and asked.methods:
        asked.at("receipts")
        with_receipts = parts.attempt("receipts", lambda: _with_receipts(many, asked.methods, found, settings))
    return [tuple(given[row] for given in (with_receipts or found).values()) for row in range(len(targets))]


def _with_receipts(many: ManyTokens, methods: Methods, found: Found, settings: Params) -> Found:
    """Methods that leave foils out are held against the targets alone."""
    answers: dict[str, list[Attribution]] = {}
    for foils in (True, False):
        mine = {name: given for name, given in found.items() if many.subtracts(given) is foils}
        if mine:
            test = many.removal_test(settings, foils=foils)
            ranked = {name: [many.ranked(one) for one in given] for name, given in mine.items()}
            answers |= attach_receipts(test, many, methods, mine, ranked)
    return {name: answers[name] for name in found}


def _failed(targets: Sequence[Target], asked: Asked, reason: str) -> Answers:
    return [
        tuple(without_scores(name, target, reason, loaded) for name, loaded in asked.methods.items())
        for target in targets
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
