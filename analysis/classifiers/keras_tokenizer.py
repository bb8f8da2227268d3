"""Reads the pickle of a Keras tokenizer without running what it names. No torch, no Keras.

A pickle is a program: it may name any function and call it. Here only a Keras tokenizer (as an empty class of ours),
the standard library's dictionaries and `int` may be named; anything else ends the reading before it is looked up.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headscope.analysis.errors import InputError

PLAIN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("builtins", "int"): int,
}
MODULES = ("keras.src.legacy.preprocessing.text", "keras.preprocessing.text", "keras_preprocessing.text")


@dataclass(frozen=True, slots=True)
class WordIds:
    """words: in the order of their ids, from id 1 on. filters: characters that part words, beside the space."""

    words: tuple[str, ...]
    filters: str

    def many(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of the known words of each text, in order, as Keras' `texts_to_sequences` gives them."""
        known = {word: number for number, word in enumerate(self.words, 1)}
        return [[known[word] for word in self.split(text) if word in known] for text in texts]

    def split(self, text: str) -> list[str]:
        """Lower case, parted at `filters` and spaces (Keras' `text_to_word_sequence`)."""
        parted = text.lower().translate(str.maketrans(self.filters, " " * len(self.filters)))
        return [word for word in parted.split(" ") if word]


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.tokenizer = type("Tokenizer", (), {})

    def find_class(self, module: str, name: str) -> Any:
        if name == "Tokenizer" and module in MODULES:
            return self.tokenizer
        if (module, name) not in PLAIN:
            raise InputError(
                f"the pickle names {module}.{name}, which is not part of a Keras tokenizer: it was not read further, "
                "and nothing of it was run. Get the package again from the registry it came from.",
                "convert",
            )
        return PLAIN[module, name]


def read(content: bytes) -> WordIds:
    """The words of a pickled tokenizer. Raises InputError for a pickle that names anything else, that is damaged, or
    whose settings are not the usual ones of words in lower case."""
    reader = _PlainUnpickler(content)
    try:
        found = reader.load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise InputError(f"the tokenizer's pickle is damaged: {error}. Get the package again.", "convert") from error
    state = vars(found) if type(found) is reader.tokenizer else {}
    index, limit, filters = state.get("word_index"), state.get("num_words"), state.get("filters")
    usual = {"lower": True, "split": " ", "char_level": False, "oov_token": None}
    if any(state.get(name, usual) != value for name, value in usual.items()) or not isinstance(filters, str):
        raise InputError("the pickle holds no Keras tokenizer of words in lower case.", "convert")
    if type(index) is not dict or (limit is not None and type(limit) is not int):
        raise InputError("the pickled tokenizer has no index of words.", "convert")
    words = sorted(index, key=lambda word: index[word])
    if not all(type(word) is str for word in words) or [index[word] for word in words] != list(
        range(1, len(words) + 1)
    ):
        raise InputError("the pickled tokenizer's words are not numbered from 1 on.", "convert")
    return WordIds(tuple(words[: limit - 1] if limit else words), filters)
