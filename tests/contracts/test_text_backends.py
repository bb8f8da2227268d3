"""What every backend of texts does, a model in this process or one behind an API, and where it says that it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headscope.analysis.engines.model_cache import loader
from headscope.analysis.errors import InputError, NotApplicable, UnknownNameError
from headscope.analysis.interfaces import TextBackend
from headscope.analysis.registry import BACKENDS
from headscope.analysis.types import GenerationParams

TEXTS = ("The capital of France is", "One two  three,\nfour")


@pytest.fixture(params=["tiny_gpt2", "tiny_llama", "api"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> TextBackend:
    found = request.getfixturevalue(request.param)
    if request.param != "api":
        return found  # type: ignore[no-any-return]
    from headscope.analysis.blackbox.budget import Budget
    from headscope.analysis.blackbox.client import Client, Endpoint

    client = Client(Endpoint(found, "smol"), Budget(), tmp_path)
    made: TextBackend = BACKENDS["openai_compatible"].load()(client)
    return made


def test_a_text_is_cut_continued_and_foretold(backend: TextBackend) -> None:
    texts = [backend.tokenize(text) for text in TEXTS]
    assert ["".join(text.texts) for text in texts] == list(TEXTS)
    assert all((text.ids >= 0).all() == backend.capabilities.tokens for text in texts)
    params = GenerationParams(max_new_tokens=4)
    greedy = backend.generate(texts, params)
    assert backend.capabilities.logprobs
    for written, likely in zip(greedy, backend.next_tokens(texts, 5), strict=True):
        assert written.params == params
        assert "".join(written.texts) == written.text
        assert 1 <= len(written.texts) == len(written.ids) == len(written.logprobs) <= 4
        assert (written.ids >= 0).all() == backend.capabilities.tokens
        logprobs = [value for _, value in likely]
        assert len(likely) == 5
        assert logprobs == sorted(logprobs, reverse=True)
        assert 0 < np.exp(logprobs).sum() <= 1 + 1e-5
        assert written.texts[0].strip() == likely[0][0].strip()  # greedy: the likeliest
        assert written.logprobs[0] == pytest.approx(logprobs[0], abs=0.05)
    assert [one.text for one in backend.generate(texts, GenerationParams(0))] == ["", ""]
    assert backend.generate([], params) == backend.next_tokens([], 5) == []


def test_what_a_backend_lacks_it_says(backend: TextBackend) -> None:
    for text, kind in (("", "empty"), ("half \ud800", "not_utf8")):
        with pytest.raises(InputError) as refused:
            backend.tokenize(text)
        assert refused.value.kind == kind
    name = backend.info.ref.backend
    assert BACKENDS[name].load() is type(backend)
    assert backend.describe()
    seen = backend.capabilities
    assert (seen.attention, seen.heads, seen.sublayers, seen.tokens) == (not BACKENDS[name].remote,) * 4
    if BACKENDS[name].remote:
        assert seen.no_attention
        for asked in ({"chat": True}, {"start_token": True}):
            with pytest.raises(InputError):
                backend.tokenize("a", **asked)
        with pytest.raises(NotApplicable, match="asked, not loaded: use `headscope blackbox`"):
            loader(name)


def test_an_api_without_log_probabilities_says_so(api: str, tmp_path: Path) -> None:
    from headscope.analysis.blackbox.backend import ApiBackend
    from headscope.analysis.blackbox.budget import Budget
    from headscope.analysis.blackbox.client import Client, Endpoint

    backend = ApiBackend(Client(Endpoint(api, "smol", candidates=0), Budget(), tmp_path))
    assert not backend.capabilities.logprobs
    texts = [backend.tokenize(TEXTS[0])]
    with pytest.raises(NotApplicable, match="tells no log-probabilities"):
        backend.next_tokens(texts, 3)
    (written,) = backend.generate(texts, GenerationParams(2))
    assert written.texts == (written.text,)
    assert np.isnan(written.logprobs).all()
    with pytest.raises(UnknownNameError, match="hf_causal, openai_compatible"):
        loader("another")
