"""What a row of a prompt file may hold, and how a row becomes a `Prompt`, whatever the file's format."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from headscope.analysis.errors import InputError
from headscope.analysis.spelling import summary
from headscope.analysis.types import Prompt

COLUMNS = ("id", "text", "target", "foil", "group", "pair_id", "counterfactual", "tags")
NAMES = ("id", "group", "pair_id")
"""The columns that only tell prompts apart: a whole number will do. What the model reads has to be written as text."""
MOST_PROBLEMS = 20
_MEANT = {
    "text": ("prompt", "sentence", "input", "question", "context"),
    "target": ("answer", "completion", "label", "expected", "target_true", "correct"),
    "foil": ("distractor", "target_false", "incorrect", "wrong"),
}
_ALIASES = {alias: column for column, aliases in _MEANT.items() for alias in aliases}
_TEXT_WORDS = frozenset(("text", "prompt", "sentence", "comment", "tweet", "message", "post", "content", "document"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One row as its format gave it. `where` names it for people: `line 7`, `row 7`.

    not_utf8: the bytes were not UTF-8; each bad byte stands in the values as a lone surrogate (`surrogateescape`).
    invalid: the row itself says that it is no text, and why.
    """

    where: str
    values: Mapping[str, Any]
    not_utf8: bool = False
    invalid: str | None = None


@dataclass(slots=True)
class Problems:
    """Collects what is wrong with a file, so that one look shows all of it (up to `MOST_PROBLEMS`)."""

    source: str
    messages: list[str] = field(default_factory=list)
    _shared: dict[str, str] = field(default_factory=dict)
    _more: Counter[str] = field(default_factory=Counter)

    def add_once(self, where: str, message: str) -> None:
        """Note a problem that many rows of a file may share: the first is named, the others are counted."""
        if message in self._shared:
            self._more[self._shared[message]] += 1
        else:
            self.add(where, message)
            self._shared[message] = self.messages[-1]

    def add(self, where: str, message: str) -> None:
        """Note one problem; raises InputError with all of them when there are too many to go on."""
        self.messages.append(f"{self.source} {where}{message}")
        if len(self.messages) >= MOST_PROBLEMS:
            self.messages.append(f"(stopped reading after {MOST_PROBLEMS} problems)")
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raises InputError (kind `prompt_file`) listing every problem, one a line."""
        if self.messages:
            lines = [f"{line} ({n} more rows like it.)" if (n := self._more[line]) else line for line in self.messages]
            raise InputError("\n".join(lines), kind="prompt_file")


def read_prompts(rows: Iterable[Row], problems: Problems) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
    """The prompts of the rows, in order, and warnings. The loader that makes the rows adds to the same `problems`.

    Raises InputError naming each bad row by line and column, or when there is no row at all.
    """
    ids, columns = _Ids(), _Columns(problems)
    prompts = []
    for row in rows:
        if not row.values.keys() <= _COLUMN_SET:
            columns.check(row)
        prompt = _prompt(row, ids, problems)
        if prompt is not None:
            prompts.append(prompt)
    problems.raise_if_any()
    if not prompts:
        raise InputError(f"{problems.source} holds no prompts: give it at least one row.", kind="prompt_file")
    return tuple(prompts), (*columns.warnings(), *_content_warnings(prompts))


def nearest_column(name: str) -> str | None:
    """The valid column a wrong name most likely stands for.

    >>> nearest_column("Targt"), nearest_column("prompt"), nearest_column("weather")
    ('target', 'text', None)
    """
    lowered = re.sub(r"[\W_]+", "_", name.lower()).strip("_")
    if lowered in _ALIASES:
        return _ALIASES[lowered]
    close = get_close_matches(lowered, COLUMNS, n=1, cutoff=0.75)
    if close:
        return close[0]
    return "text" if _TEXT_WORDS & set(lowered.split("_")) else None


def missing_text(found: Iterable[str]) -> str:
    """What to say about a table without a `text` column."""
    names = list(found)
    slips = [name for name in names if nearest_column(name) == "text"]
    advice = f"Rename {shown(slips[0])} to 'text'." if slips else "Call the column that holds the prompts 'text'."
    return f", column text: missing; found {', '.join(map(shown, names)) or 'nothing'}. {advice}"


class _Columns:
    """Unknown columns, each judged once: a likely slip of a valid one is a problem, any other is left unused."""

    def __init__(self, problems: Problems) -> None:
        self._problems, self._slips, self._unused = problems, set[str](), dict[str, None]()

    def check(self, row: Row) -> None:
        for name in row.values.keys() - _COLUMN_SET - self._slips - self._unused.keys():
            guess = nearest_column(name)
            if guess and guess not in row.values and "text" in row.values and name.lower() not in _ALIASES:
                self._slips.add(name)
                self._problems.add(
                    row.where, f", column {shown(name)}: no such column; did you mean {guess!r}? Rename or remove it."
                )
            else:
                self._unused[name] = None

    def warnings(self) -> tuple[str, ...]:
        if not self._unused:
            return ()
        names = ", ".join(map(shown, sorted(self._unused)))
        return (f"{self._problems.source}: not used: {names}. The columns are {', '.join(COLUMNS)}.",)


def _prompt(row: Row, ids: _Ids, problems: Problems) -> Prompt | None:
    """The prompt of one row, or None when a problem was added."""
    before = len(problems.messages)
    if "text" not in row.values:
        problems.add_once(row.where, missing_text(row.values))
        return None
    reasons: list[str] = []
    cells = {column: _cell(column, row, problems, reasons) for column in _TEXT_COLUMNS}
    tags = _tags(row.values.get("tags"), row, problems, reasons)
    name = ids.settle(cells, row.where, problems)
    if len(problems.messages) > before:
        return None
    return Prompt(
        id=name,
        text=cells["text"] or "",
        target=cells["target"] or None,
        foil=cells["foil"] or None,
        group=cells["group"] or None,
        pair_id=cells["pair_id"] or None,
        tags=tags,
        invalid="; ".join(reasons) or row.invalid,
        counterfactual=cells["counterfactual"] or None,
    )


def _cell(column: str, row: Row, problems: Problems, reasons: list[str]) -> str | None:
    value = row.values.get(column)
    if isinstance(value, str):
        return _readable(value, column, row, reasons)
    if value is None and column != "text":
        return None
    if column in NAMES:
        if (name := name_of(value)) is not None:
            return name
        problems.add(row.where, f", column {column}: expected text or a whole number, found {shown(value)}.")
    else:
        problems.add(row.where, f", column {column}: expected text, found {shown(value)}.")
    return None


def name_of(value: object) -> str | None:
    """The text of an id or a group: a text itself, or a whole number, which pandas makes a float where others of its
    column are missing. None for what is neither, and for floats so large that they have lost digits.

    >>> name_of("1.0"), name_of(3), name_of(3.0), name_of(3.5), name_of(True), name_of(2.0**60)
    ('1.0', '3', '3', None, None, None)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


_COLUMN_SET = frozenset(COLUMNS)
_TEXT_COLUMNS = ("id", "text", "target", "foil", "group", "pair_id", "counterfactual")
_EXACT = 2.0**53


def _readable(value: str, column: str, row: Row, reasons: list[str]) -> str:
    """`value`, or when it cannot be stored as text, `value` with the bad parts escaped and a reason added."""
    if value.isascii() and "\x00" not in value:
        return value
    bad = _SURROGATE.search(value)
    if bad is not None:
        found = _escaped(bad, row.not_utf8)
        what = "is not UTF-8: byte" if row.not_utf8 else "is not Unicode text: half a surrogate pair"
        reasons.append(f"{row.where}, column {column} {what} {found} at character {bad.start() + 1}")
        value = _SURROGATE.sub(lambda match: _escaped(match, row.not_utf8), value)
    if "\x00" in value:
        reasons.append(f"{row.where}, column {column} holds a NUL character, which databases cannot store")
        value = value.replace("\x00", "\\x00")
    return value


def _escaped(match: re.Match[str], from_bytes: bool) -> str:
    code = ord(match.group())
    return f"\\x{code - 0xDC00:02x}" if from_bytes and 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _tags(value: Any, row: Row, problems: Problems, reasons: list[str]) -> tuple[str, ...]:
    """A list of texts, or one text with `;` between the tags; doubles and empty ones dropped, order kept."""
    if value is None:
        return ()
    parts = value.split(";") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        problems.add(row.where, f", column tags: expected a list of texts or text with ';', found {shown(value)}.")
        return ()
    readable = (_readable(part.strip(), "tags", row, reasons) for part in parts)
    return tuple(dict.fromkeys(tag for tag in readable if tag))


class _Ids:
    """Every prompt has an id of its own: a written one must be unique, a missing one is made from the content."""

    def __init__(self) -> None:
        self._where: dict[str, str] = {}
        self._copies: dict[str, int] = {}

    def settle(self, cells: Mapping[str, str | None], where: str, problems: Problems) -> str:
        name = cells["id"] or self._from_content(cells)
        taken_by = self._where.get(name)
        self._where.setdefault(name, where)
        if taken_by is not None:
            problems.add(where, f", column id: {shown(name)} is already the id of {taken_by}.")
        return name

    def _from_content(self, cells: Mapping[str, str | None]) -> str:
        """Stays the same when rows are added, removed or reordered; equal rows are counted."""
        content = "\x1f".join((cells["text"] or "", cells["target"] or "", cells["foil"] or ""))
        base = name = hashlib.sha256(content.encode()).hexdigest()[:12]
        while name in self._where:
            self._copies[base] = self._copies.get(base, 1) + 1
            name = f"{base}-{self._copies[base]}"
        return name


def _content_warnings(prompts: list[Prompt]) -> tuple[str, ...]:
    empty = sum(not prompt.text for prompt in prompts)
    invalid = sum(prompt.invalid is not None for prompt in prompts)
    warnings = []
    if empty:
        warnings.append(f"{empty} of {len(prompts)} prompts are empty: each becomes a failed run.")
    if invalid:
        warnings.append(f"{invalid} of {len(prompts)} prompts are not valid text: each becomes a failed run.")
    return (*warnings, *summary((prompt.text, prompt.target, prompt.foil) for prompt in prompts))


def shown(value: Any) -> str:
    """A value in a message: short, on one line, JSON's word for nothing."""
    said = "nothing" if value is None else ascii(value) if _is_odd(value) else repr(value)
    return said if len(said) <= _SHOWN else said[: _SHOWN - 3] + "..."


def _is_odd(value: Any) -> bool:
    return isinstance(value, str) and _SURROGATE.search(value) is not None
