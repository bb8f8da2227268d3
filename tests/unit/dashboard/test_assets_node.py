"""The parsers and codecs of the pages, in Node (tests/js), against what Python writes. Skipped without Node."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from headscope.dashboard.api.live_payload import sqrt_bytes
from headscope.dashboard.link_state import QueryState
from headscope.dashboard.pages.live.query import LiveQuery

NODE = shutil.which("node")
FOLDER = Path(__file__).parents[2] / "js"

pytestmark = pytest.mark.skipif(
    NODE is None, reason="no node on this machine: the scripts are tested in the browser only"
)

TENSORS: dict[str, NDArray[Any]] = {
    "halves": np.array([[0, 1, -2.5, 65504], [6e-8, 6.1e-5, np.inf, np.nan]], np.float16),
    "floats": np.array([1.5, -0.0, np.nan], np.float32),
    "doubles": np.array([[1e300]]),
    "flags": np.array([True, False, True]),
    "bytes": np.array([255, 0, 7], np.uint8),
    "signed": np.array([-127, 0, 127], np.int8),
    "short": np.array([-32768], np.int16),
    "ids": np.array([2**31 - 1, -1], np.int32),
    "long": np.array([2**53 - 1, -5], np.int64),
    "nothing": np.zeros((0, 4), np.float32),
}
DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "bool": "BOOL", "uint8": "U8", "int8": "I8",
          "int16": "I16", "int32": "I32", "int64": "I64"}  # fmt: skip


def values(array: NDArray[Any]) -> list[Any]:
    """Numbers as JSON has them; those it has not as words."""
    flat = [value.item() for value in array.reshape(-1)]
    return [value if math.isfinite(value) else str(value) for value in flat]


def links(states: Sequence[QueryState]) -> list[dict[str, Any]]:
    def plain(state: QueryState) -> dict[str, Any]:
        return {key: value for key, value in asdict(state).items() if key != "notes"}

    return [{"state": plain(one), "usual": plain(type(one)()), "search": one.to_query()} for one in states]


def cases() -> dict[str, Any]:
    floats, weights = np.array([1.5, -np.inf, np.nan, 0.1], np.float32), np.linspace(0, 1, 41).astype(np.float16)
    return {
        "written": {
            name: {"dtype": DTYPES[array.dtype.name], "shape": array.shape, "values": values(array)}
            for name, array in TENSORS.items()
        },
        "floats": {"text": b64encode(floats.tobytes()).decode(), "values": values(floats)},
        "weights": {"exact": values(weights), "bytes": sqrt_bytes(weights).tolist()},
        "links": links([
            LiveQuery(),
            LiveQuery(model="tiny gpt2", text="a+b & c=d\n“é”", position=3, head=7, temperature=0.5, spaces=True),
            LiveQuery(text=" the", colour="occlusion", unit="nats", leave="word", instead="delete", view="links"),
        ]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that tests/js/load.js reads."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "cases.json").write_text(json.dumps(cases(), allow_nan=False), encoding="utf-8")
    save_file(
        TENSORS, folder / "all.safetensors", metadata={"live": json.dumps({"text": "naïve 🧭"}, ensure_ascii=False)}
    )
    save_torch({"x": torch.ones(2, dtype=torch.bfloat16)}, folder / "bf16.safetensors")
    return folder


@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.test.js")))
def test_in_node(script: str, made: Path) -> None:
    assert NODE is not None
    command, where = [NODE, str(FOLDER / script)], os.environ | {"HEADSCOPE_CASES": str(made)}
    done = subprocess.run(command, check=False, env=where, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
