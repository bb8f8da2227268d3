"""What a result says of the first token, which methods leave in its place: it is most models' attention sink."""

from __future__ import annotations

from headscope.analysis.types import TokenizedText

OPTION = "--start-token puts the model's start token before it, and then it has a score"


def no_score(text: TokenizedText, why: str) -> str:
    """One sentence: that the first token has no score, `why`, and the option that gives it one. A start token needs no
    score, so nothing is to be done about it."""
    reason = f"the first token {why}, so it has no score"
    return reason if text.special[0] else f"{reason}: {OPTION}"


def joined(*sentences: str) -> str:
    """`not_explained` of a result's outcome, of those sentences that say something."""
    return "; ".join(filter(None, sentences))
