"""Alignment by hand-made cases: spans, words, and two tokenizations side by side."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from headscope.analysis import alignment
from headscope.analysis.alignment import AlignedPair, RawTokens
from headscope.analysis.types import TokenizedText


def cut(text: str, *parts: str, added: int = 0) -> TokenizedText:
    """A tokenization that cuts `text` into `parts`, after `added` tokens without characters."""
    assert "".join(parts) == text
    pieces = (b"",) * added + tuple(part.encode() for part in parts)
    count = len(pieces)
    is_added = tuple(index < added for index in range(count))
    raw = RawTokens(tuple(range(count)), pieces, ((0, 0),) * count, is_added, is_added)
    return alignment.tokenized(text, raw)


def spans(text: str, *pieces: bytes) -> list[list[int]]:
    found = alignment.spans_from_bytes(text, pieces)
    assert found is not None
    return found.tolist()


def test_split_character_belongs_to_its_first_token() -> None:
    bird = "🐦".encode()
    assert spans("a🐦b", b"a", bird[:1], bird[1:3], bird[3:], b"b") == [[0, 1], [1, 2], [2, 2], [2, 2], [2, 3]]


def test_token_that_ends_inside_a_character_takes_it() -> None:
    first, second = "é".encode(), "ü".encode()
    assert spans("éü", first + second[:1], second[1:]) == [[0, 2], [2, 2]]


def test_space_put_in_front_by_the_tokenizer_has_no_characters() -> None:
    assert spans("New York", b" New", b" York") == [[0, 3], [3, 8]]
    assert spans("x", b" ", b"x") == [[0, 0], [0, 1]]


def test_pieces_that_do_not_spell_the_text_are_refused() -> None:
    assert alignment.spans_from_bytes("abc", [b"ab", b"d"]) is None
    assert alignment.spans_from_bytes("abc", []) is None
    assert alignment.spans_from_bytes("", []).tolist() == []  # type: ignore[union-attr]


def test_offsets_are_repaired_into_a_partition() -> None:
    # as trim_offsets reports " ab": the space belongs to nobody; an emoji is reported by each of its three tokens
    text = "x ab🐦 "
    offsets = [(0, 0), (0, 1), (2, 4), (4, 5), (4, 5), (4, 5)]
    found = alignment.spans_from_offsets(text, offsets, [True, False, False, False, False, False])
    assert found.tolist() == [[0, 0], [0, 1], [1, 4], [4, 5], [5, 5], [5, 6]]


def test_every_byte_has_one_character_in_the_byte_alphabet() -> None:
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = ByteLevel.alphabet()
    assert {alignment.byte_level_bytes(char) for char in alphabet} == {bytes([byte]) for byte in range(256)}


@pytest.mark.parametrize(
    ("token", "expected"), [("▁the", b" the"), ("<0xE4>", b"\xe4"), ("<0xE4", b"<0xE4"), ("▁▁", b"  ")]
)
def test_sentencepiece_bytes(token: str, expected: bytes) -> None:
    assert alignment.sentencepiece_bytes(token) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat sat.", ["The", " cat", " sat", "."]),
        ("don't stop", ["don't", " stop"]),
        ("'quoted'", ["'", "quoted", "'"]),
        ("  two\n\nlines ", ["  two", "\n\nlines", " "]),
        ("你好 world", ["你", "好", " world"]),
        ("cafe\u0301 na\u0308ive", ["cafe\u0301", " na\u0308ive"]),
        ("a👩\u200d🔬b", ["a", "👩\u200d🔬", "b"]),
        ("wait... what?!", ["wait", "...", " what", "?!"]),
        ("x_1 = 3.5", ["x_1", " =", " 3", ".", "5"]),
        ("한국어", ["한", "국", "어"]),
        ("", []),
        ("\t", ["\t"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in alignment.word_spans(text)] == words


def test_token_words_and_their_ranges() -> None:
    tokens = cut("The unbelievable cat.", "The", " un", "believ", "able", " cat", ".", added=1)
    assert tokens.words.tolist() == [0, 1, 2, 2, 2, 3, 4]
    assert [(word.text, word.tokens) for word in alignment.words_of(tokens)] == [
        ("", (0, 1)),
        ("The", (1, 2)),
        (" unbelievable", (2, 5)),
        (" cat", (5, 6)),
        (".", (6, 7)),
    ]


def test_token_over_two_words_belongs_to_the_first() -> None:
    assert cut("he said:(x)", "he", " said", ":(", "x)").words.tolist() == [0, 1, 2, 3]


def test_rest_of_a_split_character_stays_in_its_word() -> None:
    e_acute = "é".encode()
    raw = RawTokens((1, 2, 3), (b"caf" + e_acute[:1], e_acute[1:], b" x"), ((0, 0),) * 3, (False,) * 3, (False,) * 3)
    tokens = alignment.tokenized("café x", raw)
    assert tokens.texts == ("café", "", " x")
    assert tokens.words.tolist() == [0, 0, 1]


def test_same_text_two_tokenizers() -> None:
    a = cut("unbelievable cat", "un", "believable", " ", "cat")
    b = cut("unbelievable cat", "unbel", "ievable", " cat")
    assert alignment.align(a, b) == (AlignedPair((0, 2), (0, 2), "equal"), AlignedPair((2, 4), (2, 3), "equal"))


def test_bos_on_one_side_only() -> None:
    a, b = cut("a b", "a", " b", added=1), cut("a b", "a", " b")
    assert alignment.align(a, b) == (
        AlignedPair((0, 1), (0, 0), "only_a"),
        AlignedPair((1, 2), (0, 1), "equal"),
        AlignedPair((2, 3), (1, 2), "equal"),
    )
    assert [pair.kind for pair in alignment.align(b, a)] == ["only_b", "equal", "equal"]
    assert [pair.kind for pair in alignment.align(a, a)] == ["equal"] * 3


def test_counterfactual_pair_is_paired_word_by_word() -> None:
    a = cut("The doctor said he left", "The", " doc", "tor", " said", " he", " left")
    b = cut("The nurse said she left", "The", " nurse", " said", " she", " left")
    assert alignment.align(a, b) == (
        AlignedPair((0, 1), (0, 1), "equal"),
        AlignedPair((1, 3), (1, 2), "replaced"),
        AlignedPair((3, 4), (2, 3), "equal"),
        AlignedPair((4, 5), (3, 4), "replaced"),
        AlignedPair((5, 6), (4, 5), "equal"),
    )


def test_inserted_and_removed_words() -> None:
    a = cut("It is good", "It", " is", " good")
    b = cut("It is not good at all", "It", " is", " not", " good", " at", " all")
    assert alignment.align(a, b) == (
        AlignedPair((0, 1), (0, 1), "equal"),
        AlignedPair((1, 2), (1, 2), "equal"),
        AlignedPair((2, 2), (2, 3), "only_b"),
        AlignedPair((2, 3), (3, 4), "equal"),
        AlignedPair((3, 3), (4, 6), "only_b"),
    )
    assert {pair.kind for pair in alignment.align(b, a)} == {"equal", "only_a"}


def test_substitution_of_unequal_length_is_one_pair() -> None:
    a, b = cut("in New York now", "in", " New", " York", " now"), cut("in Rome now", "in", " Rome", " now")
    assert alignment.align(a, b)[1] == AlignedPair((1, 3), (1, 2), "replaced")


def test_equal_word_with_another_space_in_front_is_split_by_characters() -> None:
    a, b = cut("x unhappy", "x", " un", "happy"), cut("unhappy", "un", "happy")
    assert alignment.align(a, b) == (
        AlignedPair((0, 1), (0, 0), "only_a"),
        AlignedPair((1, 2), (0, 1), "equal"),
        AlignedPair((2, 3), (1, 2), "equal"),
    )


def test_a_template_is_filled_in_one_to_one_at_any_length() -> None:
    """Two fillings of one template, 5,401 tokens each: minutes for an algorithm that is cubic on them."""
    fillings = [[part for n in range(1800) for part in (" the", f" {letter}{n}", ",")] for letter in "xy"]
    a, b = (cut("Say" + "".join(parts), "Say", *parts) for parts in fillings)
    pairs = alignment.align(a, b)
    assert all(pair.a == pair.b == (index, index + 1) for index, pair in enumerate(pairs))
    assert [pair.kind for pair in pairs] == ["equal", *["equal", "replaced", "equal"] * 1800]


def test_what_is_repeated_or_inserted_keeps_its_neighbours() -> None:
    example = ("Q", ":", " two", "?")
    once, twice = cut("Q: two?" * 2, *example, *example), cut("Q: two?" * 3, *example, *example, *example)
    assert [pair.kind for pair in alignment.align(once, twice)] == ["equal"] * 8 + ["only_b"]


def test_empty_against_text() -> None:
    empty = cut("")
    assert len(empty) == 0
    assert empty.char_spans.shape == (0, 2)
    assert alignment.align(empty, empty) == ()
    assert alignment.align(empty, cut("a b", "a", " b")) == (AlignedPair((0, 0), (0, 2), "only_b"),)
    assert np.array_equal(alignment.token_words("", empty.char_spans, []), [])


def test_alignment_and_sources_need_no_torch() -> None:
    code = (
        "import sys, headscope.analysis.alignment, headscope.analysis.models.listing as m; m.list_models();"
        "print([x for x in ('torch', 'transformers') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
