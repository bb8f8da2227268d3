"""Parameters of activation patching: what is exchanged between two prompts, and which way."""

from __future__ import annotations

from headscope.analysis.registry.entry import Param

COMPONENT = Param(
    "component",
    "choice",
    "residual",
    "What is exchanged: the residual stream, attention or MLP update at a position, or a whole head.",
    choices=("residual", "attention", "mlp", "head"),
)
DIRECTION = Param(
    "direction",
    "choice",
    "restore",
    "restore: this prompt's activation into the other's run; break: the other's into this one's.",
    choices=("restore", "break"),
)
