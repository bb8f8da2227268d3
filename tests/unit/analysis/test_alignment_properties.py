"""Properties of alignment, with real tokenizers on hostile text."""

from __future__ import annotations

from codecs import getincrementaldecoder
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headscope.analysis import alignment
from headscope.analysis.types import TokenizedText

FRAGMENTS = (
    "the", " door", "  ", "\n", "\t", "\r\n", "🙂", "👩‍🔬", "🏳️‍🌈", "👍🏽", "你好", "日本語", "한국어", "é",
    "e\u0301", "n\u0303\u0323",
    "ﬁ", "Ω", "ß", "\u00a0", "\u2003", "\u200b", "\ufeff", "١٢٣", "1234", "'", "’s", "...", "▁", "Ġ", "<0x41>",
    "<|endoftext|>", "</s>", "<s>", "مرحبا", "नमस्ते", "ไทย", "\x00", "\U0010ffff",
)  # fmt: skip
hostile = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), min_size=1, max_size=9).map("".join)
texts = hostile.filter(lambda text: text and not any(0xD800 <= ord(char) < 0xE000 for char in text))
unhurried = settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.fixture(scope="module", params=["tiny_gpt2", "tiny_llama", "smollm2"])
def codec(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)._codec


@pytest.fixture(scope="module", params=["tiny_gpt2", "smollm2"])
def byte_level(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)._codec


@pytest.fixture(scope="module")
def codecs(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return tuple(request.getfixturevalue(name)._codec for name in ("tiny_llama", "smollm2"))  # type: ignore[return-value]


def check_contract(tokens: TokenizedText) -> None:
    assert len(tokens.texts) == len(tokens.char_spans) == len(tokens.words) == len(tokens.special) == len(tokens.ids)
    assert "".join(tokens.texts) == tokens.text
    cuts = [0, *tokens.char_spans.ravel().tolist(), len(tokens.text)]
    assert all(before <= after for before, after in pairwise(cuts))
    assert all(one[1] == other[0] for one, other in pairwise(tokens.char_spans.tolist()))
    assert tokens.char_spans[0, 0] == 0
    assert tokens.char_spans[-1, 1] == len(tokens.text)
    assert tokens.words[0] == 0
    assert set((tokens.words[1:] - tokens.words[:-1]).tolist()) <= {0, 1}


@unhurried
@given(text=texts)
def test_spans_cover_the_text(codec: Any, text: str) -> None:
    check_contract(codec.tokenize(text, 10_000))


@unhurried
@given(text=texts)
def test_spans_of_byte_level_tokens_agree_with_an_incremental_decoder(byte_level: Any, text: str) -> None:
    """Independent of the span code: after n tokens, every character that has begun is covered and no other."""
    tokens = byte_level.tokenize(text, 10_000)
    assume(byte_level.spelled(tokens.ids.tolist()) == text.encode())  # a vocabulary may lack rare bytes
    decoder = getincrementaldecoder("utf-8")()
    complete = 0
    for token_id, (_, end) in zip(tokens.ids.tolist(), tokens.char_spans.tolist(), strict=True):
        complete += len(decoder.decode(byte_level.bytes_of(token_id)))
        assert end == complete + bool(decoder.getstate()[0])


@unhurried
@given(text=texts)
def test_sentencepiece_tokens_have_the_characters_they_spell(tiny_llama: Any, text: str) -> None:
    """Apart from the spaces this tokenizer adds."""
    assume("▁" not in text)  # its mark for a space, so the pieces are ambiguous
    tokens = tiny_llama._codec.tokenize(text, 10_000)
    assert tokens.texts[0] == ""
    for token_id, part in zip(tokens.ids.tolist()[1:], tokens.texts[1:], strict=True):
        piece = tiny_llama._codec.bytes_of(token_id)
        if len(piece) == 1 and piece[0] >= 0x80:
            assert part == "" or piece in part.encode()
        else:
            assert part.strip(" ") == piece.decode().strip(" ")


@unhurried
@given(text=texts)
def test_words_partition_the_text(text: str) -> None:
    spans = alignment.word_spans(text)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    assert all(one[1] == other[0] and one[0] < one[1] for one, other in pairwise([*spans, (len(text), len(text))]))


@unhurried
@given(text=texts, other=texts)
def test_alignment_holds_every_token_once(codecs: tuple[Any, Any], text: str, other: str) -> None:
    one, two = codecs
    a = one.tokenize(text, 10_000)
    for b in (two.tokenize(text, 10_000), two.tokenize(other, 10_000)):
        pairs = alignment.align(a, b)
        assert [i for pair in pairs for i in range(*pair.a)] == list(range(len(a)))
        assert [i for pair in pairs for i in range(*pair.b)] == list(range(len(b)))
        for pair in pairs:
            left, right = ("".join(t.texts[slice(*r)]) for t, r in ((a, pair.a), (b, pair.b)))
            if pair.kind == "equal":
                assert left.strip() == right.strip()
                assert a.text != b.text or left == right
            assert (pair.kind == "only_a") == (pair.b[0] == pair.b[1])
            assert (pair.kind == "only_b") == (pair.a[0] == pair.a[1])


@unhurried
@given(text=texts)
def test_offset_fallback_keeps_the_contract(codec: Any, text: str) -> None:
    raw = codec._raw(text)
    spans = alignment.spans_from_offsets(text, raw.offsets, raw.added)
    assert spans[0, 0] == 0
    assert spans[-1, 1] == len(text)
    assert all(one[1] == other[0] for one, other in pairwise(spans.tolist()))


@unhurried
@given(text=texts)
def test_decode_round_trip(codec: Any, text: str) -> None:
    """Text to ids inside a longer text, and back, is exact wherever the vocabulary can spell it."""
    ids = codec.ids_of(text)
    found, parts = codec.decode_together(ids)
    if codec.spelled(ids) == text.encode():
        assert found == "".join(parts) == text


def most_in_common(a: list[str], b: list[str]) -> int:
    """Length of a longest common subsequence, by the table of the textbook."""
    row = [0] * (len(b) + 1)
    for one in a:
        above = row
        row = [0]
        for index, other in enumerate(b):
            row.append(above[index] + 1 if one == other else max(row[-1], above[index + 1]))
    return row[-1]


few_words = st.lists(st.sampled_from(["a", "b", "c", ","]), max_size=9)


def by_words(words: list[str]) -> TokenizedText:
    """One token per word."""
    text = " ".join(words)
    pieces = tuple(text[start:end].encode() for start, end in alignment.word_spans(text))
    no = (False,) * len(pieces)
    return alignment.tokenized(text, alignment.RawTokens(tuple(range(len(no))), pieces, ((0, 0),) * len(no), no, no))


@unhurried
@given(a=few_words, b=few_words)
def test_as_many_words_are_equal_as_their_order_allows(a: list[str], b: list[str]) -> None:
    one, two = by_words(a), by_words(b)
    words = [[text.strip() for text in tokens.texts] for tokens in (one, two)]
    pairs = alignment.align(one, two)
    assert sum(pair.kind == "equal" for pair in pairs) == most_in_common(*words)
    assert [i for pair in pairs for i in range(*pair.a)] == list(range(len(one)))
    assert [i for pair in pairs for i in range(*pair.b)] == list(range(len(two)))
    for pair in pairs:
        if pair.kind == "equal":
            assert words[0][slice(*pair.a)] == words[1][slice(*pair.b)]
