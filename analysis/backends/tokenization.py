"""A Hugging Face tokenizer as exact pieces: what every token stands for in bytes, and text to tokens and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headscope.analysis import alignment
from headscope.analysis.backends.token_spelling import OwnDecoder
from headscope.analysis.counts import plural
from headscope.analysis.errors import BackendError, InputError, message
from headscope.analysis.models.start_token import no_start_token
from headscope.analysis.types import TokenizedText


def _is_sentencepiece(backend: Any) -> bool:
    parts = repr(backend.decoder) + repr(backend.pre_tokenizer) + repr(backend.normalizer)
    return any(mark in parts for mark in ("Metaspace", "ByteFallback", "▁"))


class TextCodec:
    """Tokenises with the tokenizer's own settings (a BOS where the model expects one), never truncating or padding."""

    def __init__(self, tokenizer: Any, n_embeddings: int, start: int | None = None) -> None:
        """`tokenizer` is what AutoTokenizer returned, n_embeddings how many ids the model can read, `start` the id of
        its start token.

        Raises BackendError when it is not a `tokenizers` one.
        """
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise BackendError(
                "the model's tokenizer cannot say which characters a token covers: save it with a tokenizer.json "
                "(a fast tokenizer) and load the model again."
            )
        backend.no_truncation()
        backend.no_padding()
        self._tokenizer, self._backend = tokenizer, backend
        self._byte_level = "ByteLevel" in repr(backend.decoder)
        self._own = None if self._byte_level or _is_sentencepiece(backend) else OwnDecoder(backend)
        added = tokenizer.added_tokens_decoder
        self._added: dict[int, str] = {index: token.content for index, token in added.items()}
        self._n_embeddings, self._start = n_embeddings, start
        self.unread = tuple(token for token, i in tokenizer.get_vocab().items() if i >= n_embeddings)
        self._special = frozenset(tokenizer.all_special_ids) | {i for i, token in added.items() if token.special}

    def tokenize(self, text: str, context: int, chat: bool = False, start_token: bool = False) -> TokenizedText:
        """Raises InputError: `empty`, `too_long` (more than `context` tokens), `not_utf8` (lone surrogates),
        `no_embedding` (a token the model cannot read), `chat_template` (the template fails), `params` (no start token).
        """
        if start_token and self._start is None:
            raise no_start_token("the model")
        if not text:
            raise InputError("the prompt is empty: there is nothing to read. Give it at least one character.", "empty")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"the prompt is no valid Unicode at {error.start}: {error.reason}.", "not_utf8") from error
        text = self._templated(text) if chat else text
        tokens = alignment.tokenized(text, self._raw(text, around=not chat, started=start_token))
        if not len(tokens):
            raise InputError("the model's vocabulary has no token for anything in the prompt.", "empty")
        if len(tokens) > context:
            raise InputError(
                f"the prompt has {len(tokens)} tokens and the model reads at most {context}: shorten it.", "too_long"
            )
        self.check_read("prompt", tokens.ids.tolist())
        return tokens

    def check_read(self, role: str, ids: Sequence[int]) -> None:
        """Raises InputError, kind `no_embedding`, when the model has no embedding for one of `ids`."""
        beyond = next((token for token in ids if token >= self._n_embeddings), None)
        if beyond is not None:
            raise InputError(
                f"the {role} holds the token {self._backend.id_to_token(beyond)!r} (id {beyond}), and the model has "
                f"embeddings for {self._n_embeddings:,} ids only: leave it out, or save the model again after "
                "`resize_token_embeddings`.",
                "no_embedding",
            )

    def warning(self) -> str:
        """What is wrong when the tokenizer knows more tokens than the model; empty when it does not."""
        if not self.unread:
            return ""
        few = ", ".join(map(repr, self.unread[:3])) + (", ..." if len(self.unread) > 3 else "")
        return (
            f"the tokenizer has {plural(len(self.unread), 'token')} ({few}) beyond the model's "
            f"{self._n_embeddings:,} embeddings"
            ": prompts and targets with one of them fail"
        )

    def _templated(self, text: str) -> str:
        """`text` as the user's turn, and the beginning of the answer. A template writes its own BOS."""
        turns = [{"role": "user", "content": text}]
        try:
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # whatever the folder's own template raises
            raise InputError(f"the model's chat template fails: {message(error)}", "chat_template") from error

    def _raw(self, text: str, *, around: bool = True, started: bool = False) -> alignment.RawTokens:
        """With `around` the tokens that the tokenizer adds to a text by itself, a BOS in front; with `started` the
        start token also where it adds none."""
        found = self._backend.encode(text, add_special_tokens=around)
        added = [bool(flag) for flag in found.special_tokens_mask]
        length = len(added)
        while length and added[length - 1]:  # an appended EOS would hide what comes next
            length -= 1
        ids = found.ids[:length]
        pieces = (b"" if is_added else self.bytes_of(i) for i, is_added in zip(ids, added, strict=False))
        raw = alignment.RawTokens(
            ids=tuple(ids),
            pieces=tuple(pieces),
            offsets=tuple(found.offsets[:length]),
            special=tuple(i in self._special for i in ids),
            added=tuple(added[:length]),
        )
        return self._started(raw) if started else raw

    def _started(self, raw: alignment.RawTokens) -> alignment.RawTokens:
        """With the start token in front, for no characters; as they are when they begin with one, or with none."""
        if self._start is None or not raw.ids or raw.added[0] or raw.ids[0] == self._start:
            return raw
        return alignment.RawTokens(
            ids=(self._start, *raw.ids),
            pieces=(b"", *raw.pieces),
            offsets=((0, 0), *raw.offsets),
            special=(True, *raw.special),
            added=(True, *raw.added),
        )

    def ids_of(self, text: str) -> list[int]:
        """Ids of `text` inside a longer text: no BOS, and no space that a tokenizer puts in front of a beginning."""
        plain: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        if self.spelled(plain) == text.encode():
            return plain
        mark = self._backend.encode("\n", add_special_tokens=False).ids
        marked: list[int] = self._backend.encode("\n" + text, add_special_tokens=False).ids
        return marked[len(mark) :] if marked[: len(mark)] == mark else plain

    def continuation_ids(self, tokens: TokenizedText, continuation: str) -> list[int]:
        """Ids that follow `tokens` when `continuation` is written behind their text.

        Where the two merge at the border (the prompt ends in a space, the continuation does not begin with one), the
        prompt's own tokens stay as they are and the continuation is tokenised by itself.
        """
        before: list[int] = tokens.ids.tolist()
        started = before[:1] == [self._start] and not tokens.texts[0]
        for around in (True, False):  # a chat template has what the tokenizer would add
            whole = list(self._raw(tokens.text + continuation, around=around, started=started).ids)
            if whole[: len(before)] == before:
                return whole[len(before) :]
        return self.ids_of(continuation)

    def bytes_of(self, token_id: int) -> bytes:
        """The bytes a token stands for in a text; empty for an id without a token (a padded vocabulary)."""
        if token_id in self._added:
            return self._added[token_id].encode()
        if self._own is not None:
            return self._own.alone(token_id).encode()
        token: str | None = self._backend.id_to_token(token_id)
        if token is None:
            return b""
        return alignment.byte_level_bytes(token) if self._byte_level else alignment.sentencepiece_bytes(token)

    def decode(self, ids: Sequence[int]) -> list[str]:
        """Readable text of single tokens; an incomplete byte sequence shows as U+FFFD."""
        return [self._written(int(token_id)).decode(errors="replace") for token_id in ids]

    def _written(self, token_id: int) -> bytes:
        """As `bytes_of`, but what the model writes with it: decoders make a space of an added token's `▁` too."""
        added = self._added.get(token_id, "")
        if "▁" in added and not self._byte_level and self._own is None:
            return added.replace("▁", " ").encode()
        return self.bytes_of(token_id)

    def decode_together(self, ids: Sequence[int], before: int | None = None) -> tuple[str, tuple[str, ...]]:
        """The text of consecutive tokens behind the token `before`, and each token's part (a split character belongs to
        the first token)."""
        if self._own is not None:
            return self._own.together(ids, before)
        pieces = [self._written(int(token_id)) for token_id in ids]
        text = b"".join(pieces).decode(errors="replace")
        spans = alignment.spans_from_bytes(text, pieces) if pieces else np.zeros((0, 2), dtype=np.int32)
        if spans is None:  # bytes that are no text: the parts cannot be exact
            return text, tuple(piece.decode(errors="replace") for piece in pieces)
        return text, tuple(text[start:end] for start, end in spans.tolist())

    def spelled(self, ids: Sequence[int]) -> bytes:
        """The bytes of consecutive tokens; other than the text's where a vocabulary lacks a byte (SmolLM2: 0xF1)."""
        return b"".join(self.bytes_of(token_id) for token_id in ids)
