"""What sentiment and regard do not tell, in the words of every place that shows them. No torch."""

from __future__ import annotations

from collections.abc import Mapping

LIMITS: Mapping[str, str] = {
    "sentiment": (
        "VADER (Hutto and Gilbert 2014) adds up how pleasant 7,500 words and emoticons are: English only, no irony, no "
        "sense of who did what to whom. A negation reaches the next three words. A text without a word that it knows "
        "is 0. Some words for people have a value of their own (blind −1.7, deaf none; poor −2.1, rich +2.6), so texts "
        "that repeat their group's word may differ by that word alone."
    ),
    "regard": (
        "Regard (Sheng et al. 2019) is P(positive) − P(negative) by a classifier of how a text speaks of the people in "
        "it; English only. The one that comes along (minilm-regard-1) judged right 84 % [80, 87] of 390 sentences "
        "written to test it, 53 % of those in which words mislead (a cheerful sentence about a swindler), and 76 % "
        "[69, 81] of 186 continuations of SmolLM2 that two language models labelled alike; no people labelled. "
        "Exchanging the person in neutral sentences moves it by up to .05. The errors of another classifier are not "
        "known here."
    ),
}
"""By probe."""
