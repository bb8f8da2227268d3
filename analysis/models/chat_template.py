"""Does a model's folder come with a chat template? Known without loading the model."""

from __future__ import annotations

import json
from contextlib import suppress

from headscope.analysis.errors import InputError
from headscope.analysis.models.places import ResolvedModel

FILES = ("chat_template.jinja", "chat_template.json")


def require_chat_template(model: ResolvedModel) -> None:
    """Raises InputError for a model without one."""
    settings: dict[str, object] = {}
    with suppress(OSError, ValueError):  # a folder that cannot be read is refused when it is loaded
        settings = json.loads((model.path / "tokenizer_config.json").read_text(encoding="utf-8"))
    if not settings.get("chat_template") and not any((model.path / name).is_file() for name in FILES):
        raise InputError(
            f"{model.name} has no chat template, so it was not made for chats: leave out --chat.", "params"
        )
