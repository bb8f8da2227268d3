"""Terms of use that are published as a page, as lines for a terminal."""

from __future__ import annotations

import html
import re

_UNSEEN = re.compile(r"<!--.*?-->|<(script|style|button|devsite-feature-tooltip)\b.*?</\1>", re.DOTALL)
_BLOCK = re.compile(r"<(?:p|li|h[1-4]|div|ul|ol|br|tr)\b[^>]*>")


def text_of(page: str) -> str:
    """The article of a page as plain text, a line for each block."""
    article = _UNSEEN.sub("", page[page.find("<article") : page.rfind("</article>")])
    lines = _BLOCK.sub("\n", re.sub(r"\s+", " ", article))
    return re.sub(r"\n{3,}", "\n\n", html.unescape(re.sub(r"<[^>]*>", "", lines))).strip()
