"""What users may put through a model: warn of texts that a classifier calls toxic, or block them. Torch-free.

A policy is written in one line: `block`, `warn`, or per label `toxic=block@0.8,insult=warn`; without a number the
classifier's own threshold decides. It guards typed prompts, the API and batch runs alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.classifiers.loaded import classifier
from headscope.analysis.classifiers.withheld import digest, key_file
from headscope.analysis.errors import InputError
from headscope.analysis.types import BLOCKED, Prompt, PromptSet, canonical_hash

VARIABLE = "HEADSCOPE_CONTENT_FILTER"
TAG = "content-filter:"
MAIN = "toxic"
Action = Literal["pass", "warn", "block"]
SEVERITY: tuple[Action, ...] = ("pass", "warn", "block")
FORM = "off, warn, block, or rules per label like toxic=block@0.8,insult=warn"


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do with a text whose `label` reaches `threshold`; None: the classifier's own."""

    label: str
    action: Action
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """rules: one per label, none of them: the filter is off. keep_text: store the text of what was blocked."""

    rules: tuple[Rule, ...] = ()
    classifier: str = "minilm"
    keep_text: bool = False

    @classmethod
    def parse(cls, text: str) -> Policy:
        """The policy a line says, with `keep-text` among the rules to store what was blocked.

        Raises InputError for anything else.
        """
        words = [word.strip() for word in text.split(",") if word.strip()]
        keep = "keep-text" in words
        words = [word for word in words if word != "keep-text"]
        if words in ([], ["off"]):
            return cls(keep_text=keep)
        rules = tuple(_rule(word) for word in words)
        if len({rule.label for rule in rules}) < len(rules):
            raise InputError(f"the content filter {text!r} names a label twice.")
        return cls(rules, keep_text=keep)

    def describe(self) -> str:
        """One line for people; empty when the filter is off."""
        return ", ".join(
            f"{rule.action}s {rule.label}" + (f" from {rule.threshold:g}" if rule.threshold is not None else "")
            for rule in self.rules
        )


OFF = Policy()


def _rule(word: str) -> Rule:
    label, equals, rest = word.partition("=")
    action, at, number = (rest if equals else label).partition("@")
    label = label if equals else MAIN
    try:
        threshold = float(number) if at else None
    except ValueError:
        threshold = math.nan
    if label not in LABELS:
        raise InputError(f"the content filter knows no label {label!r}: it has {', '.join(LABELS)}.")
    if action not in SEVERITY[1:] or (threshold is not None and not 0 < threshold <= 1):
        raise InputError(
            f"{word!r} is no rule of a content filter: write {FORM}; thresholds are above 0 and at most 1."
        )
    return Rule(label, action, threshold)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one text, and why. score: NaN for a text the classifier could not judge."""

    action: Action = "pass"
    label: str = ""
    score: float = math.nan
    threshold: float = math.nan
    classifier: str = ""

    @property
    def reason(self) -> str:
        """For the person who typed it: what, how sure, and by whose judgement."""
        if math.isnan(self.score):
            return f"{self.classifier} could not judge it, and this filter lets nothing pass unjudged"
        return f"{self.label} {self.score:.2f}, the limit is {self.threshold:.2f} ({self.classifier})"

    @property
    def caution(self) -> str:
        """For beside the result of a text that was let through; "" where there is nothing to say."""
        return "" if self.action == "pass" else f"The content filter warns: {self.reason}."


Screen = Callable[[Sequence[str], Policy], list[Verdict]]
"""One verdict per text, in order: `screen`, or an engine's way to it."""


def screen(texts: Sequence[str], policy: Policy) -> list[Verdict]:
    """The strictest rule that each text meets, in order; a text without a letter has nothing to judge and passes.

    Raises BackendError when the classifier is not there: a filter that cannot judge must not let things pass.
    """
    if not policy.rules:
        return [Verdict()] * len(texts)
    judge = classifier(policy.classifier)
    judged = [rule for rule in policy.rules if rule.label in judge.labels]
    if len(judged) < len(policy.rules):
        missing = ", ".join(rule.label for rule in policy.rules if rule not in judged)
        raise InputError(f"{judge.name} does not judge {missing}: it knows {', '.join(judge.labels)}.")
    columns = [judge.labels.index(rule.label) for rule in judged]
    cuts = [rule.threshold if rule.threshold is not None else judge.threshold(rule.label) for rule in judged]
    found = []
    for text, scores in zip(texts, judge.score(texts)[:, columns].tolist(), strict=True):
        met = [
            Verdict(rule.action, rule.label, score, cut, judge.name)
            for rule, score, cut in zip(judged, scores, cuts, strict=True)
            if not score < cut
        ]
        worst = max(met, key=lambda verdict: SEVERITY.index(verdict.action), default=Verdict())
        found.append(worst if any(c.isalnum() for c in text) else Verdict())
    return found


def joined(text: str, *more: str | None) -> str:
    """A prompt with what else was typed beside it: a target or foil may offend as well."""
    return " ".join([text, *(part for part in more if part)])


def admit(judge: Screen, prompt_set: PromptSet, policy: Policy) -> tuple[PromptSet, Mapping[str, Verdict]]:
    """The set as it may be run, and the verdicts that are no pass by prompt id.

    A blocked prompt stays in the set without its text (unless the policy keeps it), so that it becomes a failed run
    that says why, with a hash by which the text's owner finds it (`withheld`); both kinds get a tag. The set's version
    says that it was filtered: it is not the set it was.
    """
    if not policy.rules:
        return prompt_set, {}
    prompts, parts = prompt_set.prompts, tuple(admit(judge, part, policy)[0] for part in prompt_set.parts)
    verdicts = judge([joined(one.text, one.target, one.foil, one.counterfactual) for one in prompts], policy)
    caught = {one.id: verdict for one, verdict in zip(prompts, verdicts, strict=True) if verdict.action != "pass"}
    if not caught:
        return replace(prompt_set, parts=parts), {}
    kept = tuple(_marked(one, caught[one.id], policy) if one.id in caught else one for one in prompts)
    facts = [prompt_set.sha256, [[one.id, one.tags, one.invalid] for one in kept if one.id in caught]]
    version, sha256 = f"{prompt_set.version}, filtered", canonical_hash(facts)
    return replace(prompt_set, prompts=kept, parts=parts, version=version, sha256=sha256), caught


def _marked(prompt: Prompt, verdict: Verdict, policy: Policy) -> Prompt:
    tags = (*(tag for tag in prompt.tags if not tag.startswith(TAG)), f"{TAG}{verdict.action}")
    if verdict.action == "warn":
        return replace(prompt, tags=tags)
    reason = f"{BLOCKED}: {verdict.reason}"
    if policy.keep_text:
        return replace(prompt, tags=tags, invalid=f"{reason}.")
    withheld = f"{reason}; its {len(prompt.text)} characters were not stored, {_hash_of(prompt.text)}."
    return replace(prompt, text="", target=None, foil=None, counterfactual=None, tags=tags, invalid=withheld)


def _hash_of(text: str) -> str:
    try:
        return f"hash {digest(text)}"
    except OSError as error:
        return f"nor a hash: {key_file()} cannot be kept ({error.strerror or error})"


def allow(judge: Screen, policy: Policy, *texts: str | None) -> Verdict:
    """For typed texts: raises InputError (kind `blocked`) for one that is blocked, else says whether to warn."""
    if not policy.rules:
        return Verdict()
    (verdict,) = judge([joined("", *texts).strip()], policy)
    if verdict.action == "block":
        raise InputError(
            f"{BLOCKED}: {verdict.reason}. Nothing of it was run or stored; whoever started this server chose "
            f"the filter ({policy.describe()}).",
            "blocked",
        )
    return verdict
