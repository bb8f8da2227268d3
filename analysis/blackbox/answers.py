"""Questions to a model behind an API, its answers, and the ones already known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from headscope.analysis.errors import BackendError
from headscope.analysis.models.embedded import write_atomically


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and how to continue it. draw: tells samples of the same prompt apart (sent as the seed). about: the
    target whose log-probability is wanted, however unlikely it is. force: the id of a token that must come first (by
    `logit_bias`), -1 for none."""

    text: str
    max_tokens: int = 16
    temperature: float = 0.0
    top_p: float = 1.0
    draw: int = 0
    about: str = ""
    force: int = -1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. tokens, logprobs (nats): of the answer, empty where the API does not tell.

    first: log-probabilities of the likeliest first tokens, empty likewise; of more than KEPT only those, the least
    likely one told, and those that begin what the question is about. used: tokens in and out, 0 when not said. ids: of
    first tokens that begin what the question is about, where the server tells ids, as llama.cpp does.
    """

    text: str
    tokens: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()
    first: Mapping[str, float] | None = None
    used: int = 0
    ids: Mapping[str, int] = field(default_factory=dict)


KEPT = 1000
"""A server may tell its whole vocabulary: megabytes an answer."""


def begins(token: str, target: str) -> bool:
    """Whether a token may be the first of a target, but for space before it."""
    return bool(token.strip()) and (target.strip() or target).startswith(token.strip())


def kept(answer: Answer, about: str) -> Answer:
    """The answer with no more first tokens than there is a use for."""
    if answer.ids:
        answer = replace(
            answer, ids={token: id_ for token, id_ in answer.ids.items() if about and begins(token, about)}
        )
    if answer.first is None or len(answer.first) <= KEPT:
        return answer
    ranked = sorted(answer.first.items(), key=lambda item: -item[1])
    wanted = [item for item in ranked[KEPT:-1] if about and begins(item[0], about)]
    return replace(answer, first=dict([*ranked[:KEPT], *wanted, ranked[-1]]))


class Known:
    """Answers on disk, one small file each, named by a hash of server, model and question: nothing is asked twice, and
    what an interrupted run has learnt is not lost. The prompts themselves are not in the files."""

    def __init__(self, folder: Path, *identity: object) -> None:
        self._folder, self._identity = folder, identity

    def get(self, question: Question) -> Answer | None:
        """The answer, or None."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self._path(question).read_text())
            return Answer(**{**found, "tokens": tuple(found["tokens"]), "logprobs": tuple(found["logprobs"])})
        return None

    def put(self, question: Question, answer: Answer) -> None:
        """Keep it; a disk that cannot be written costs the calls again, nothing else."""
        path = self._path(question)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(asdict(answer)))

    def _path(self, question: Question) -> Path:
        asked = asdict(question)
        if question.force < 0:  # answers kept by versions that forced nothing stay known
            del asked["force"]
        told = json.dumps([*map(str, self._identity), asked], sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()
        return self._folder / digest[:2] / f"{digest}.json"


def parse(body: Any, chat: bool) -> Answer:
    """An answer from the JSON of /completions or /chat/completions, with log-probabilities in either of the two forms
    that servers use. Raises BackendError for anything else."""
    try:
        choice = body["choices"][0]
        text = (choice["message"]["content"] if chat else choice["text"]) or ""
        tokens, logprobs, first = _logprobs(choice.get("logprobs") or {})
        used = int((body.get("usage") or {}).get("total_tokens") or 0)
        return Answer(str(text), tokens, logprobs, first, used, _ids(choice.get("logprobs") or {}))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        shown = json.dumps(body)[:200]
        raise BackendError(
            f"the server's answer is not an OpenAI-style completion ({type(error).__name__}: {error}): {shown}"
        ) from error


def _logprobs(told: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...], dict[str, float] | None]:
    if rows := told.get("content"):
        first = {row["token"]: float(row["logprob"]) for row in (rows[0].get("top_logprobs") or rows[:1])}
        return tuple(row["token"] for row in rows), tuple(float(row["logprob"]) for row in rows), first
    if tokens := told.get("tokens"):
        logprobs = tuple(float(value) for value in told["token_logprobs"])
        top = (told.get("top_logprobs") or [None])[0] or {tokens[0]: logprobs[0]}
        return tuple(tokens), logprobs, {token: float(value) for token, value in top.items()}
    return (), (), None


def _ids(told: Mapping[str, Any]) -> dict[str, int]:
    """Of the likeliest first tokens; empty where they are not told."""
    rows = told.get("content") or [{}]
    return {row["token"]: int(row["id"]) for row in (rows[0].get("top_logprobs") or rows[:1]) if "id" in row}
