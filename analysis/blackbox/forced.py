"""The log-probability of a target that a server does not tell among its likeliest tokens: the target's token is forced,
and servers that tell log-probabilities of before the forcing tell its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headscope.analysis.blackbox.answers import Answer, Question
from headscope.analysis.blackbox.settings import Asker, Settings, question

SAME = 0.05
"""Nats between what a token is told to have with and without being forced, at most."""
UNLIKELY = -0.7
"""A token forced by a server that tells log-probabilities of after it has about 0: only one that had clearly less tells
the two kinds of servers apart."""


class Forced:
    """Fills in what is missing for one token of one prompt's study.

    trusted: whether the server tells the log-probability of before the forcing; None before a token was forced whose
    log-probability is known, which is tried once. asked: questions more than without.
    """

    def __init__(self, asker: Asker, settings: Settings, target: str) -> None:
        self._asker, self._settings, self._target = asker, settings, target
        self.trusted: bool | None = None
        self.asked = 0

    def filled(self, told: Mapping[str, Answer], token: str | None) -> dict[str, Answer]:
        """Those answers, by prompt, that did not tell the token and now do; none where the server does not tell the id
        of the token, or not its log-probability."""
        ids = [answer.ids[token] for answer in told.values() if token in answer.ids] if token is not None else []
        missing = [text for text, answer in told.items() if answer.first and token not in answer.first]
        if token is None or not ids or not missing:
            return {}
        if self.trusted is None:
            self.trusted = self._tried(told, token, ids[0])
        values = self._values(missing, token, ids[0]) if self.trusted else []
        return {
            text: replace(told[text], first={**(told[text].first or {}), token: value})
            for text, value in zip(missing, values, strict=bool(values))
            if value is not None
        }

    def _tried(self, told: Mapping[str, Answer], token: str, id_: int) -> bool | None:
        known = {text: answer.first[token] for text, answer in told.items() if answer.first and token in answer.first}
        text = min(known, key=lambda one: known[one], default=None)
        if text is None or known[text] > UNLIKELY:
            return None
        (value,) = self._values([text], token, id_)
        return value is not None and abs(value - known[text]) <= SAME

    def _values(self, texts: Sequence[str], token: str, id_: int) -> list[float | None]:
        asked = [self._question(text, id_) for text in texts]
        self.asked += len(asked)
        return [answer.logprobs[0] if answer.tokens[:1] == (token,) else None for answer in self._asker.ask(asked)]

    def _question(self, text: str, id_: int) -> Question:
        return replace(question(text, self._settings, self._target), max_tokens=1, force=id_)
