"""Does an answer say that it has none? By wordings of a list: what says so in other words is missed."""

from __future__ import annotations

import re

WORDINGS = (
    r"(?:do|does|did) ?n[o'’]t know",
    r"(?:do|does|did) not know",
    r"(?:am|are|is|'m|’m) (?:not|un)[ -]?(?:sure|certain|aware|familiar|able)",
    r"no ?(?:one|body) (?:knows|can know|can say|can tell)",
    r"(?:can ?not|can['’]t|could not|couldn['’]t|impossible to) "
    r"(?:answer|provide|predict|determine|say|tell|know|find|confirm|verify|"
    r"be (?:known|determined|answered|predicted))",
    r"(?:do|does) ?(?:n['’]t| not) have (?:any |enough |access |specific |real[- ]time |that )*"
    r"(?:information|data|access|knowledge|records?)",
    r"no (?:such|known|public(?:ly)?|reliable|information|evidence|records?|data)\b",
    r"not (?:known|publicly|possible to|yet (?:known|happened|determined|announced)|a real|real)\b",
    r"(?:does|do|did) ?(?:n['’]t| not) (?:exist|appear to exist|seem to exist)",
    r"(?:never existed|unknown|unknowable|unanswerable)",
    r"(?:fictional|fictitious|imaginary|made[- ]up|hypothetical|non-?existent)",
    r"there (?:is|are|was|were|has been|have been) (?:no|never)\b",
    r"has(?:n['’]t| not) (?:yet )?(?:happened|taken place|been (?:held|decided|announced))",
    r"(?:false premise|mistaken premise|trick question)",
)
"""Our own list, English only, without case. It was written before any model was asked."""

_ABSTAINS = re.compile("|".join(f"(?:{wording})" for wording in WORDINGS), re.IGNORECASE)


def abstention(answer: str) -> tuple[int, int] | None:
    """Where in the answer's first line with a word the first such wording stands, half-open, in characters of
    `answer`; None without one. Later lines of a completion are no longer the answer."""
    start = len(answer) - len(answer.lstrip())
    end = answer.find("\n", start)
    found = _ABSTAINS.search(answer, start, len(answer) if end < 0 else end)
    return found.span() if found else None
