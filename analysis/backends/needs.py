"""What an analysis needs against what a loaded model lets us see: the one place that says no, and why."""

from __future__ import annotations

from headscope.analysis.interfaces import WhiteBoxBackend
from headscope.analysis.registry import Needs


def unmet(needs: Needs, backend: WhiteBoxBackend) -> str | None:
    """Why something with these needs cannot serve this model, or None. Pages, store and commands say it as it is."""
    seen = backend.capabilities
    if (needs.attention and not seen.attention) or (needs.pattern and not (seen.attention or seen.attention_layers)):
        return seen.no_attention or f"{backend.info.ref.name} does not give its attention weights"
    if needs.heads and not seen.heads:
        return f"the outputs of single heads cannot be told apart in {backend.info.architecture}"
    if needs.sublayers and not seen.sublayers:
        return f"the attention and MLP updates of {backend.info.architecture} cannot be told apart"
    return None
