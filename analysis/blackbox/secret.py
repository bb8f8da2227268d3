"""The key of an API, taken out of whatever a server says: it may send back what it was sent, on purpose or not."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

from headscope.analysis.blackbox.answers import Answer
from headscope.analysis.errors import InputError

REDACTED = "[key]"
PIECE = 8
"""Characters in a row of the key, or of a way to write it, from which they are taken out; a shorter key is taken out
where it stands as a word of its own."""
SHORTEST = 4
"""Characters of a short key's base64 that are looked for within other letters; fewer are found everywhere."""
TALKERS = ("urllib3.connection", "urllib3.connectionpool", "urllib3.response")
"""Loggers that print what a server sent, such as a header they could not read."""
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Secret:
    """Finds a key in texts as it is, quoted for URLs, escaped for JSON and HTML, in base64 (also with something before
    it, as in `Bearer KEY` or `user:KEY`), in hexadecimal; whole or in pieces, whatever the case of its letters.

    An empty key is found nowhere. Raises InputError for one that no header can carry; the message does not show it.
    """

    def __init__(self, key: str) -> None:
        if not all("!" <= letter <= "~" for letter in key):
            raise InputError("the key holds a space, a line break or a letter beyond ASCII: no header can carry it.")
        forms, coded = (_forms(key), _base64(key.encode())) if key else (set(), set())
        self._pieces = {
            form[start : start + PIECE].translate(_LOWER)
            for form in forms | coded
            for start in range(len(form) - PIECE + 1)
        }
        words = [rf"(?<![^\W_]){re.escape(form)}(?![^\W_])" for form in forms if len(form) < PIECE]
        within = [re.escape(form) for form in coded if SHORTEST <= len(form) < PIECE]
        self._short = re.compile("|".join([*words, *within])) if words or within else None

    def __bool__(self) -> bool:
        """Whether there is a key to look for."""
        return bool(self._pieces or self._short)

    def clean(self, text: str) -> str:
        """The text with `[key]` in the key's place."""
        return "".join(self._cleaned([text]))

    def said(self, text: str, most: int = 300) -> str:
        """The beginning of what a server said, for an error: without the key, however JSON escapes it, and without what
        cannot be printed, which could hide it."""
        with suppress(ValueError):
            text = json.dumps(self.tree(json.loads(text)), ensure_ascii=False)
        shown = "".join(letter for letter in text if letter.isprintable() or letter == "\n")
        return self.clean(shown)[:most]

    def tree(self, body: Any) -> Any:
        """The same for every text in parsed JSON."""
        if not self:  # a server may tell its whole vocabulary: that walk takes seconds
            return body
        if isinstance(body, str):
            return self.clean(body)
        if isinstance(body, list):
            return [self.tree(item) for item in body]
        if isinstance(body, dict):
            return {self.clean(str(name)): self.tree(item) for name, item in body.items()}
        return body

    def answer(self, answer: Answer) -> Answer:
        """The same for an answer, also where the key is cut into tokens; as many tokens as before."""
        if not self:
            return answer
        first: dict[str, float] = {}
        for token, logprob in (answer.first or {}).items():
            shown = self.clean(token)
            first[shown] = max(logprob, first.get(shown, logprob))
        return replace(
            answer,
            text=self.clean(answer.text),
            tokens=tuple(self._cleaned(answer.tokens)),
            first=first if answer.first is not None else None,
            ids={self.clean(token): id_ for token, id_ in answer.ids.items()},
        )

    @contextmanager
    def out_of_logs(self) -> Iterator[None]:
        """While the block runs, what the HTTP library logs is cleaned."""
        filter_ = _LogFilter(self)
        for name in TALKERS:
            logging.getLogger(name).addFilter(filter_)
        try:
            yield
        finally:
            for name in TALKERS:
                logging.getLogger(name).removeFilter(filter_)

    def _cleaned(self, pieces: Sequence[str]) -> list[str]:
        """Pieces of one text, each without its share of the key; the mark stands where the key began."""
        hidden = self._hidden("".join(pieces))
        if not any(hidden):
            return list(pieces)
        cleaned, at = [], 0
        for piece in pieces:
            shown = [
                letter if not hidden[i] else REDACTED if i == 0 or not hidden[i - 1] else ""
                for i, letter in enumerate(piece, at)
            ]
            cleaned.append("".join(shown))
            at += len(piece)
        return cleaned

    def _hidden(self, text: str) -> bytearray:
        """Which letters belong to the key."""
        hidden = bytearray(len(text))
        lower = text.translate(_LOWER)
        if self._pieces:
            for start in range(len(text) - PIECE + 1):
                if lower[start : start + PIECE] in self._pieces:
                    hidden[start : start + PIECE] = b"\1" * PIECE
        if self._short:
            for found in self._short.finditer(text):
                hidden[found.start() : found.end()] = b"\1" * (found.end() - found.start())
        return hidden


class _LogFilter(logging.Filter):
    def __init__(self, secret: Secret) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record, in words that are clean; a stack trace would hold the words of the error."""
        record.msg, record.args = self._secret.clean(record.getMessage()), ()
        record.exc_info = record.exc_text = None
        return True


def _forms(key: str) -> set[str]:
    """How a key may be written."""
    raw = key.encode()
    quoted = quote(key, safe="")
    escaped = {"".join(f"{mark}{byte:0{width}x}" for byte in raw) for mark, width in (("%", 2), ("\\u", 4), ("", 2))}
    plain = {key, quoted, quote(quoted, safe=""), quote_plus(key), json.dumps(key)[1:-1], html.escape(key)}
    return plain | escaped


def _base64(raw: bytes) -> set[str]:
    """The letters that `raw` alone decides, wherever it begins in what is encoded."""
    found = set()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw).decode()
        sure = coded[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        found |= {sure, sure.translate(str.maketrans("+/", "-_"))}
    return found
