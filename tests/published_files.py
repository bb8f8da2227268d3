"""Lines of a published file, and what a prompt's score is of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headscope.analysis.prompt_tags import value_of
from headscope.analysis.types import Prompt

Write = Callable[[str, str], Path]
"""The fixture `write`: name and content -> the file."""


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def scored_part(prompt: Prompt) -> str:
    return prompt.text[int(value_of(prompt.tags, "context") or 0) :]
