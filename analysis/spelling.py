"""Spaces that are easily written wrongly: after a prompt, and missing before a target. Imports nothing, so that prompt
files and pages may ask too.

Most tokenizers keep a space with the word after it. A prompt that ends in one leaves the model before a word without
its space, which it hardly ever read; a target without its own is another token than the one that would follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

BLANKS = " \t\u00a0"
OPENING = "([{<«‹“‘„‚¿¡-–—/\\_#@$€£"
QUOTES = "\"'`"
WITHOUT_SPACES = 0x0E00
"""From this character on (Thai, Chinese, Japanese ...) scripts mostly put no spaces between words."""


@dataclass(frozen=True, slots=True)
class Advice:
    """field: `text`, `target` or `foil`. said: what is odd and what it does. likelier: how it was probably meant."""

    field: str
    said: str
    likelier: str


def spelling(text: str, target: str | None = None, foil: str | None = None) -> tuple[Advice, ...]:
    """What a person most likely did not mean in a prompt, its target and its foil.

    >>> [(one.field, one.likelier) for one in spelling("The capital is ", " Paris")]
    [('text', 'The capital is')]
    >>> [(one.field, one.likelier) for one in spelling("The nurse said that", "she", " he")]
    [('target', ' she')]
    """
    found = [_of_text(text)] if ends_in_space(text) else []
    for field, given in (("target", target), ("foil", foil)):
        if given and lacks_space(text, given):
            said = (
                f"The {field} “{given}” has no space before it: after “{text[-20:]}” the model reads “ {given}”, "
                "which is another token."
            )
            found.append(Advice(field, said, f" {given}"))
    return tuple(found)


def _of_text(text: str) -> Advice:
    said = (
        "The prompt ends in a space. The model keeps a space with the word after it, so it hardly knows what follows "
        "one: the likely words, and every number about them, change."
    )
    return Advice("text", said, text.rstrip(BLANKS))


def ends_in_space(text: str) -> bool:
    """A blank after the last word; a line break is usually meant."""
    stripped = text.rstrip(BLANKS)
    return stripped != text and bool(stripped) and not stripped[-1].isspace()


def lacks_space(text: str, target: str) -> bool:
    """A word glued to the prompt, in a script that puts spaces between words."""
    first, last = target[0], text[-1:]
    opened = last in OPENING or (last in QUOTES and (text[-2:-1].isspace() or len(text) == 1))
    return first.isalnum() and ord(first) < WITHOUT_SPACES and bool(last) and not last.isspace() and not opened


def summary(prompts: Iterable[tuple[str, str | None, str | None]]) -> tuple[str, ...]:
    """The same of many prompts (text, target, foil): a sentence for each kind of slip, with a count and an example."""
    rows = list(prompts)
    said = []
    if ending := [text for text, _, _ in rows if ends_in_space(text)]:
        said.append(
            f"{len(ending)} of {len(rows)} prompts end in a space, for example {ending[0][-20:]!r}: the model keeps a "
            "space with the word after it, so the likely words change. Leave it out."
        )
    fields: tuple[tuple[str, Callable[[tuple[str, str | None, str | None]], str | None]], ...] = (
        ("targets", lambda row: row[1]), ("foils", lambda row: row[2]),
    )  # fmt: skip
    for name, field in fields:
        given = [(row[0], word) for row in rows if (word := field(row))]
        if slips := [(text, word) for text, word in given if lacks_space(text, word)]:
            text, word = slips[0]
            said.append(
                f"{len(slips)} of {len(given)} {name} do not start with a space, for example {word!r}: after "
                f"{text[-20:]!r} the model reads {' ' + word!r} as another token. Write the space."
            )
    return tuple(said)
