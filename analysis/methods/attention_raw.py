"""Raw attention: what the explained token's query reads, head by head."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from headscope.analysis.attribution.attention_rows import explained_rows, unsigned
from headscope.analysis.interfaces import Method
from headscope.analysis.types import Attribution, Params, Target
from headscope.analysis.workspace import Workspace


class AttentionRaw(Method):
    """`s[l, h, t]`: weight that head h of layer l gives token t when it reads for the explained position; scores
    `[layer, head, position]`, unsigned, 0 to 1, each head's sum 1. Where a head looks, not what it does with it (Jain
    and Wallace 2019)."""

    NAME: ClassVar[str] = "attention_raw"

    def attribute(self, work: Workspace, targets: Sequence[Target], params: Params) -> list[Attribution]:
        """One Attribution per prompt, from the shared pass."""
        started = time.perf_counter()
        axes = ("layer", "head", "position")
        return unsigned(self.NAME, work, targets, explained_rows(work), axes, started, {})
