"""From tokens back to characters, and from one tokenization to another. No torch, no model.

Offsets reported by a tokenizer depend on its normaliser, `trim_offsets` and `add_prefix_space`, so they are only the
second choice: where the bytes of the tokens spell the text exactly, the spans are computed from the bytes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np
from rapidfuzz.distance import LCSseq

from headscope.analysis.types import Int32, TokenizedText

Kind = Literal["equal", "replaced", "only_a", "only_b"]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RawTokens:
    """What a tokenizer says about a text: one entry per token.

    pieces: the bytes each token stands for (b"" for a special token that was added, not written). offsets: character
    spans as reported. special: a special token. added: a special token that is not in the text (BOS).
    """

    ids: tuple[int, ...]
    pieces: tuple[bytes, ...]
    offsets: tuple[Range, ...]
    special: tuple[bool, ...]
    added: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a tokenized text; `tokens` is the half-open range of its tokens."""

    text: str
    tokens: Range


@dataclass(frozen=True, slots=True)
class AlignedPair:
    """Token ranges (half-open) of two tokenizations that belong together; `only_a` has an empty `b` and vice versa."""

    a: Range
    b: Range
    kind: Kind


@lru_cache(maxsize=1)
def _byte_alphabet() -> dict[str, int]:
    """The characters that byte-level BPE writes for the 256 bytes (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


def byte_level_bytes(token: str) -> bytes:
    """Bytes of a byte-level BPE token (`Ġthe` is b" the"); a token outside the byte alphabet stands for itself."""
    alphabet = _byte_alphabet()
    try:
        return bytes(alphabet[char] for char in token)
    except KeyError:
        return token.encode()


def sentencepiece_bytes(token: str) -> bytes:
    """Bytes of a sentencepiece token: `▁` is a space, `<0xE4>` a byte."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes.fromhex(token[3:5])
    return token.replace("▁", " ").encode()


def tokenized(text: str, raw: RawTokens) -> TokenizedText:
    """Exact character spans and words for the tokens of `text` (see `TokenizedText` for the contract)."""
    spans = spans_from_bytes(text, raw.pieces)
    if spans is None:
        spans = spans_from_offsets(text, raw.offsets, raw.added)
    return TokenizedText(
        text=text,
        ids=np.array(raw.ids, dtype=np.int32),
        texts=tuple(text[start:end] for start, end in spans.tolist()),
        char_spans=spans,
        words=token_words(text, spans, raw.added),
        special=np.array(raw.special, dtype=np.bool_),
    )


def spans_from_bytes(text: str, pieces: Sequence[bytes]) -> Int32 | None:
    """int32 `[T, 2]`, or None when the pieces do not spell the text (apart from spaces put in front of words)."""
    encoded = text.encode()
    ends = _byte_ends(encoded, pieces)
    if ends is None:
        return None
    # chars_before[n]: characters whose first byte lies before byte n
    starts = (np.frombuffer(encoded, dtype=np.uint8) & 0xC0) != 0x80
    chars_before = np.concatenate([[0], np.cumsum(starts)])
    cuts = chars_before[np.array([0, *ends], dtype=np.int64)]
    return np.stack([cuts[:-1], cuts[1:]], axis=1).astype(np.int32)


def _byte_ends(encoded: bytes, pieces: Sequence[bytes]) -> list[int] | None:
    """The byte of `encoded` at which each piece ends."""
    joined = b"".join(pieces)
    if joined == encoded:
        return list(accumulate(map(len, pieces)))
    if joined == b" " + encoded:  # before anything else: of two spaces in front, the first is the tokenizer's
        return [max(end - 1, 0) for end in accumulate(map(len, pieces))]
    position, ends = 0, []
    for piece in pieces:
        rest = piece if encoded.startswith(piece, position) else piece.removeprefix(b" ")
        if not encoded.startswith(rest, position):
            return None
        position += len(rest)
        ends.append(position)
    return ends if position == len(encoded) else None


def spans_from_offsets(text: str, offsets: Sequence[Range], added: Sequence[bool]) -> Int32:
    """int32 `[T, 2]` from reported offsets, repaired: overlaps go to the first token, gaps to the following one."""
    spans = np.zeros((len(offsets), 2), dtype=np.int32)
    cursor, last = 0, -1
    for index, (_, end) in enumerate(offsets):
        stop = cursor if added[index] else min(max(cursor, end), len(text))
        spans[index] = cursor, stop
        cursor = stop
        last = last if added[index] else index
    if last >= 0:
        spans[last, 1] = len(text)
        spans[last + 1 :] = len(text)
    return spans


_WIDE_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "YI ")


@lru_cache(maxsize=4096)
def _char_class(char: str) -> str:
    """space, each (a word by itself), word, mark (joins what is before it) or punct."""
    if char.isspace():
        return "space"
    category = unicodedata.category(char)
    if category.startswith("M") or char in "\u200d\u200c" or 0x1F3FB <= ord(char) <= 0x1F3FF:
        return "mark"
    if category == "Lo" and unicodedata.name(char, "").startswith(_WIDE_SCRIPTS):
        return "each"
    return "word" if category[0] in "LN" or char == "_" else "punct"


def word_spans(text: str) -> list[Range]:
    """Character ranges of the words of `text`, half-open, in order, covering it.

    A word is a run of letters, digits and marks, with an apostrophe inside allowed (`don't`); a run of punctuation or
    symbols is a word of its own, and so is every Chinese or Japanese character and Korean syllable. White space
    belongs to the word that follows it; at the end of the text it is a word of its own.
    """
    spans: list[Range] = []
    start, position, length = 0, 0, len(text)
    while position < length:
        while position < length and _char_class(text[position]) == "space":
            position += 1
        if position < length:
            position = _word_end(text, position)
        spans.append((start, position))
        start = position
    return spans


def _word_end(text: str, position: int) -> int:
    kind = _char_class(text[position])
    position += 1
    while position < len(text):
        found = _char_class(text[position])
        joined_emoji = text[position - 1] == "\u200d" and found == "punct"
        inside = kind == "word" and text[position] in "'’" and _starts_word(text, position + 1)
        if found == "mark" or joined_emoji or inside or (found == kind and kind in ("word", "punct")):
            position += 1
        else:
            break
    return position


def _starts_word(text: str, position: int) -> bool:
    return position < len(text) and _char_class(text[position]) == "word"


def token_words(text: str, spans: Int32, added: Sequence[bool]) -> Int32:
    """int32 `[T]`: index of the word each token belongs to, from 0, never decreasing.

    A token that spans several words belongs to the first; a token with an empty span (the rest of a split character)
    to the word before it. An added special token is a word of its own.
    """
    word_of = np.zeros(len(text) + 1, dtype=np.int64)
    for index, (start, end) in enumerate(word_spans(text)):
        word_of[start:end] = index
    words = np.zeros(len(spans), dtype=np.int32)
    current, previous = -1, None
    for index, (start, end) in enumerate(spans.tolist()):
        key: object = ("added", index) if added[index] else previous if start == end else int(word_of[start])
        if previous is None or key != previous:
            current += 1
        words[index], previous = current, key
    return words


def words_of(tokens: TokenizedText) -> tuple[Word, ...]:
    """The words of a tokenized text with the tokens that make them up."""
    if not len(tokens):
        return ()
    cuts = [0, *(np.flatnonzero(np.diff(tokens.words)) + 1).tolist(), len(tokens)]
    return tuple(Word("".join(tokens.texts[start:stop]), (start, stop)) for start, stop in pairwise(cuts))


def align(a: TokenizedText, b: TokenizedText) -> tuple[AlignedPair, ...]:
    """Pairs of token ranges, in order, which together hold every token of `a` and of `b` once.

    The same text (two tokenizers) is aligned by characters: every pair is `equal` and as small as the two segmentations
    allow; a token without characters (BOS) on one side only is `only_a` or `only_b`. Different texts (two prompts) are
    aligned by words, as many of them equal as their order allows: equal words are split further by characters,
    substituted words are paired as `replaced`.
    """
    if a.text == b.text:
        return tuple(_align_ranges(a, (0, len(a)), b, (0, len(b))))
    return tuple(_align_words(a, b))


def _align_words(a: TokenizedText, b: TokenizedText) -> Iterator[AlignedPair]:
    """By a longest common subsequence of words: bit-parallel (Hyyrö 2004), where difflib is cubic on a template."""
    words_a, words_b = words_of(a), words_of(b)
    number: dict[str, int] = {}  # LCSseq compares hashes, and "" has that of "\0"
    keys_a, keys_b = ([number.setdefault(w.text.strip() or w.text, len(number)) for w in words]
                      for words in (words_a, words_b))  # fmt: skip
    done_a = done_b = 0
    for block in LCSseq.editops(keys_a, keys_b).as_matching_blocks():
        yield from _changed(words_a, (done_a, block.a), words_b, (done_b, block.b))
        done_a, done_b = block.a + block.size, block.b + block.size
        for one, other in zip(words_a[block.a : done_a], words_b[block.b : done_b], strict=True):
            yield from _align_ranges(a, one.tokens, b, other.tokens)


def _changed(words_a: Sequence[Word], a: Range, words_b: Sequence[Word], b: Range) -> Iterator[AlignedPair]:
    """Words `a` and `b` that stand between the same neighbours: one to one when there are as many of each."""
    if a[1] - a[0] == b[1] - b[0]:
        for one, other in zip(words_a[slice(*a)], words_b[slice(*b)], strict=True):
            yield AlignedPair(one.tokens, other.tokens, "replaced")
    else:
        kind: Kind = "only_b" if a[0] == a[1] else "only_a" if b[0] == b[1] else "replaced"
        yield AlignedPair(_token_range(words_a, *a), _token_range(words_b, *b), kind)


def _token_range(words: Sequence[Word], first: int, last: int) -> Range:
    """Tokens of `words[first:last]`; an empty range sits where the next word begins."""
    start = words[first].tokens[0] if first < len(words) else words[-1].tokens[1] if words else 0
    return (start, words[last - 1].tokens[1] if last > first else start)


def _align_ranges(a: TokenizedText, range_a: Range, b: TokenizedText, range_b: Range) -> Iterator[AlignedPair]:
    """Align tokens of two ranges that cover the same characters, up to white space in front."""
    total = min(_chars(a, range_a), _chars(b, range_b))
    groups_a, groups_b = _groups(a, range_a, total), _groups(b, range_b, total)
    at_a, at_b = range_a[0], range_b[0]
    for end in sorted(set(groups_a) | set(groups_b), reverse=True):
        if end in groups_a and end in groups_b:
            first_a, first_b = at_a, at_b
            at_a, at_b = groups_a[end], groups_b[end]
            yield from _pair((first_a, at_a), (first_b, at_b))


def _pair(a: Range, b: Range) -> Iterator[AlignedPair]:
    if a[0] == a[1] and b[0] == b[1]:
        return
    kind: Kind = "only_b" if a[0] == a[1] else "only_a" if b[0] == b[1] else "equal"
    yield AlignedPair(a, b, kind)


def _chars(tokens: TokenizedText, span: Range) -> int:
    start, stop = span
    return int(tokens.char_spans[stop - 1, 1] - tokens.char_spans[start, 0]) if stop > start else 0


def _groups(tokens: TokenizedText, span: Range, total: int) -> dict[int, int]:
    """Cut points: characters left (at most `total`) -> index after the last token that ends there.

    Counted from the end, because the two sides may differ by white space in front. The beginning is always a cut, so
    that a token without characters in front (BOS) stays apart from the first word.
    """
    start, stop = span
    end = int(tokens.char_spans[stop - 1, 1]) if stop > start else 0
    cuts = {total: start}
    return cuts | {min(total, end - int(tokens.char_spans[index, 1])): index + 1 for index in range(start, stop)}
