"""Text that others wrote, made safe to print: a terminal obeys control characters, and readers believe it."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of writing
    "\u2028\u2029"  # line breaks that are none to most programs
    "\ud800-\udfff]"  # half a character: cannot be written at all
)


def visible(text: str) -> str:
    r"""The text with every control character but tab and newline as an escape, like `\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
