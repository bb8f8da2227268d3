"""What commands print on. Stored and file-given text is data here: no control character of it reaches the terminal, and
no `[red]` or `:smile:` in it means anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import console as rich_console
from rich.segment import Segment
from rich.text import Text

from headscope.analysis.printable import visible

UNWRAPPED = 10**9


class Console(rich_console.Console):
    """Rich's, for text of others. Only a terminal has a width: lines for a pipe or a file are never wrapped."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})
        if not self.is_terminal:
            self.width = UNWRAPPED

    def render_str(self, text: str, **options: Any) -> Text:
        """Called for every plain text, alone or in a table, before it is measured."""
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: rich_console.RenderableType, options: rich_console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Also what came as a `Text`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
