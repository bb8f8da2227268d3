"""The model's own start token (BOS): which one it is, and whether there is one, known without loading the weights."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from headscope.analysis.errors import InputError
from headscope.analysis.models.places import ResolvedModel

_DECLARED_IN = ("generation_config.json", "config.json")


def start_token_id(tokenizer: Any, folder: Path) -> int | None:
    """The tokenizer's own; else what the model's folder declares, where the tokenizer has a token of that id."""
    if tokenizer.bos_token_id is not None:
        return int(tokenizer.bos_token_id)
    for name in _DECLARED_IN:
        with suppress(OSError, ValueError):
            token = json.loads((folder / name).read_text(encoding="utf-8")).get("bos_token_id")
            if isinstance(token, int) and 0 <= token < len(tokenizer):
                return token
    return None


def no_start_token(model: str) -> InputError:
    """What is said of a model without one."""
    return InputError(
        f"{model} has no start token (neither its tokenizer nor its config names a BOS): leave out --start-token.",
        "params",
    )


def require_start_token(model: ResolvedModel) -> None:
    """Raises InputError for a model without one."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(model.path, local_files_only=True, trust_remote_code=False)
    except Exception:  # whatever transformers raises: a folder that cannot be read is refused when it is loaded
        return
    if start_token_id(tokenizer, model.path) is None:
        raise no_start_token(model.name)
