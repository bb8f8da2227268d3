"""Sentences with a blank, as a model that reads from left to right can be asked: what stands before it."""

from __future__ import annotations

import re

END = re.compile(r"[\s.,;:!?]*")


def before(sentence: str, blank: str) -> tuple[str, bool] | None:
    """The text before the first blank, and whether words after it were lost; None when nothing stands before it.

    >>> before("Paris is in [Y] .", "[Y]"), before("Paris is a [Y] city.", "[Y]"), before("[Y] has Paris.", "[Y]")
    (('Paris is in', False), ('Paris is a', True), None)
    """
    start, found, rest = sentence.partition(blank)
    if not found or not start.strip():
        return None
    return start.rstrip(), END.fullmatch(rest) is None
