"""Every way the text of a token is shown; files and exports keep the plain characters."""

from __future__ import annotations

from headscope.dashboard.words import DASH

LINE = "⏎"
_SIGNS = str.maketrans({" ": "␣", "\n": LINE, "\t": "⇥", "\r": "␍"})


def visible(token: str | None) -> str:
    """A token with its white space to be seen; a dash for none."""
    return DASH if token is None else token.translate(_SIGNS)


def quoted(token: str, most: int = 0) -> str:
    """A token in quotes with its white space to be seen, “␣Paris”; one without text of its own is said. most: longer
    ones are cut; 0: never."""
    shown = visible(token) if not most or len(token) <= most else f"{visible(token[: most - 1])}…"
    return f"“{shown}”" if token else "(rest of the character before)"


def short(token: str, most: int = 14) -> str:
    """A token as a label: no white space around, white space alone as signs, long ones cut. Never BPE markers."""
    bare = token.strip()
    if not bare:
        return token.replace(" ", "␣").replace("\n", LINE).replace("\t", "⇥") or "◦"
    return bare if len(bare) <= most else f"{bare[: most - 1]}…"


def in_line(token: str) -> str:
    """A token among others of its text: its spaces stay, a line break must not break the line."""
    return token.replace("\n", LINE)


def headline(token: str) -> str:
    """A token as a large number's neighbour: no white space around; white space alone as Python writes it."""
    return token.strip() or repr(token)
