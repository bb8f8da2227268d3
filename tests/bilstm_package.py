"""A wheel of the package `toxic-comment-classifier` as small as can be: random weights, a few words."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import h5py
import numpy as np
from numpy.typing import NDArray

NAME = "toxic_comment_classifier-0.3.0-py3-none-any.whl"
WORDS = ("the", "cat", "dog", "ran", "sat", "rude", "kind")
KERAS = "keras.src.legacy.preprocessing.text"
FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
WIDTH, UNITS, HIDDEN, LABELS = 3, 4, 5, 6
Arrays = dict[str, NDArray[np.float32]]


def arrays() -> Arrays:
    """By Keras' names."""
    random = np.random.default_rng(4)
    at = "layers/bidirectional/{}_layer/cell/vars/{}"
    shapes: dict[str, tuple[int, ...]] = {"layers/embedding/vars/0": (len(WORDS) + 2, WIDTH)}
    for way in ("forward", "backward"):
        sizes = ((WIDTH, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))
        shapes |= {at.format(way, i): shape for i, shape in enumerate(sizes)}
    for name, shape in (("dense", (2 * UNITS, HIDDEN)), ("dense_1", (HIDDEN, LABELS))):
        shapes |= {f"layers/{name}/vars/0": shape, f"layers/{name}/vars/1": shape[1:]}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def weights(found: Arrays) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        for name, values in found.items():
            h5[name] = values
    return file.getvalue()


def tokenizer(**state: Any) -> bytes:
    """Pickled as Keras does; the eighth word is beyond `num_words`."""
    kind = type("Tokenizer", (), {"__module__": KERAS})
    one = kind()
    index = {word: number for number, word in enumerate((*WORDS, "beyond"), 1)}
    usual = {"num_words": len(WORDS) + 1, "filters": FILTERS, "lower": True, "split": " ", "char_level": False,
             "oov_token": None, "word_counts": OrderedDict(the=2), "word_docs": defaultdict(int, the=1),
             "word_index": index}  # fmt: skip
    vars(one).update({**usual, **state})
    names = KERAS.split(".")
    modules = {".".join(names[: i + 1]): ModuleType(".".join(names[: i + 1])) for i in range(len(names))}
    vars(modules[KERAS])["Tokenizer"] = kind
    with mock.patch.dict(sys.modules, modules):
        return pickle.dumps(one, protocol=5)


def wheel(folder: Path, pickled: bytes | None = None, h5: bytes | None = None) -> Path:
    """Written into `folder`."""
    path = folder / NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toxic_classifier/model/model.weights.h5", weights(arrays()) if h5 is None else h5)
        archive.writestr("toxic_classifier/model/tokenizer.pickle", tokenizer() if pickled is None else pickled)
    return path
