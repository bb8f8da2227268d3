"""Explaining several next tokens of a prompt together: each is a row of its own, and the rows' answers are one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from torch import Tensor

from headscope.analysis.attribution.asked import answers, reason_against, without_scores
from headscope.analysis.attribution.asked_again import Inputs, capture_for, with_inputs
from headscope.analysis.attribution.embedding_path import graph_bytes
from headscope.analysis.attribution.removal_test import RemovalTest
from headscope.analysis.attribution.summed import Explained, Summand
from headscope.analysis.interfaces import Capture, LoadedMethod, WhiteBoxBackend
from headscope.analysis.types import Attribution, Params, Target, TokenizedText
from headscope.analysis.workspace import Workspace

BYTES_PER_BATCH = 1 << 30
_PAIR = (
    "it compares what two prompts say next, and a partner has no such continuation: explain the next token instead "
    "(leave out --explain continuation)"
)
Answers = dict[str, list[Attribution]]


@dataclass(frozen=True, slots=True)
class Side:
    """Tokens that follow a prompt: `text` is both, the tokens given. sign: -1 of a foil. rows: what methods read, each
    to explain the token after it, one for each of the tokens."""

    text: TokenizedText
    rows: tuple[TokenizedText, ...]
    sign: int = 1

    @property
    def own(self) -> str:
        """The tokens as text."""
        return "".join(self.text.texts[len(self.text) - self.text.given :])

    @property
    def ids(self) -> list[int]:
        """The tokens' ids."""
        found: list[int] = self.text.ids[len(self.text) - self.text.given :].tolist()
        return found


class ManyTokens(ABC):
    """sides: of each prompt, the target's first. quantity: of every token, `logprob` or `logit`. An `Asker`."""

    def __init__(
        self,
        backend: WhiteBoxBackend,
        prompts: Sequence[TokenizedText],
        sides: Sequence[Sequence[Side]],
        quantity: str,
    ) -> None:
        self._backend, self.prompts, self.sides, self.quantity = backend, prompts, sides, quantity

    @property
    def backend(self) -> WhiteBoxBackend:
        """See `Asker`."""
        return self._backend

    @abstractmethod
    def whole(self, name: str, index: int, rows: Sequence[Attribution], params: Params) -> Attribution:
        """The answer for a prompt, of the answers for its rows, side by side."""

    @abstractmethod
    def ranked(self, found: Attribution) -> Attribution:
        """An answer with the scores that a removal test of the prompt's tokens ranks."""

    def subtracts(self, given: Sequence[Attribution]) -> bool:
        """Whether a method's answers are of differences to foils, where there are some."""
        foils = any(len(sides) > 1 for sides in self.sides)
        return not foils or any(one.signed for one in given if one.error is None)

    def explained(self, methods: Mapping[str, LoadedMethod], capture: Capture) -> Answers:
        """Every method's answers, one for each prompt."""
        return self._explained(methods, capture, range(len(self.prompts)), ())

    def _explained(
        self, methods: Mapping[str, LoadedMethod], capture: Capture, owners: Sequence[int], inputs: Sequence[Tensor]
    ) -> Answers:
        sides = [self.sides[owner] for owner in owners]
        rows = [[row for side in mine for row in side.rows] for mine in sides]
        ids = [token for mine in sides for side in mine for token in side.ids]
        put = [mine for mine, own in zip(inputs, rows, strict=True) for _ in own] if inputs else ()
        found = rows_explained(self.backend, [*chain(*rows)], ids, methods, capture, self.quantity, put)
        return {name: self._together(name, given, owners, rows, methods[name].params) for name, given in found.items()}

    def _together(
        self,
        name: str,
        given: Sequence[Attribution],
        owners: Sequence[int],
        rows: Sequence[Sequence[TokenizedText]],
        params: Params,
    ) -> list[Attribution]:
        left = iter(given)
        return [
            self.whole(name, owner, [next(left) for _ in mine], params)
            for owner, mine in zip(owners, rows, strict=True)
        ]

    def prompt(self, index: int) -> tuple[TokenizedText, Tensor]:
        """See `Asker`."""
        text = self.prompts[index]
        return text, self.backend.embed(self.backend.batch([text]))[0].detach()

    def again(self, name: str, method: LoadedMethod) -> list[Attribution]:
        """See `Asker`."""
        found = self.explained({name: method}, capture_for(method))[name]
        return [self.ranked(one) for one in found]

    def anew(self, name: str, method: LoadedMethod, inputs: Inputs) -> list[Attribution]:
        """See `Asker`."""
        found = self._explained({name: method}, capture_for(method), inputs.owners, inputs.embeddings)[name]
        return [self.ranked(one) for one in found]

    def removal_test(self, settings: Params, *, foils: bool) -> RemovalTest:
        """Of the sum over all tokens, those of foils subtracted unless they are left out."""
        texts: list[TokenizedText] = []
        explained = []
        for sides in self.sides:
            first, summands = len(texts), []
            for side in sides if foils else sides[:1]:
                begin = len(side.text) - side.text.given
                summands += [
                    Summand(len(texts), begin + k, self._target(token), side.sign) for k, token in enumerate(side.ids)
                ]
                texts.append(side.text)
            explained.append(Explained(first, tuple(summands)))
        return RemovalTest(Workspace(self.backend, texts, Capture()), explained, settings)

    def _target(self, token: int) -> Target:
        return Target(token, "", 1, "generated", float("nan"), -1, quantity=self.quantity)


def rows_explained(
    backend: WhiteBoxBackend,
    rows: Sequence[TokenizedText],
    ids: Sequence[int],
    methods: Mapping[str, LoadedMethod],
    capture: Capture,
    quantity: str,
    inputs: Sequence[Tensor] = (),
) -> Answers:
    """Every method's answers for rows, each explaining the token `ids[row]` that follows it, in passes they share.
    inputs: of each row `[t, d]`, in the place of the embeddings of its first tokens."""
    found: Answers = {name: [] for name in methods}
    for part in _parts(backend, rows):
        work = Workspace(backend, [rows[row] for row in part], capture)
        if inputs:
            embeddings = with_inputs(work.embeddings, [inputs[row] for row in part])
            work = Workspace(backend, work.texts, capture, embeddings=embeddings)
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
