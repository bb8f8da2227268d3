"""WinoBias (Zhao et al. 2018): two occupations and a pronoun that refers to one, with or against the stereotype."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headscope.analysis.errors import InputError
from headscope.datasets.importers import coreference
from headscope.datasets.importers.base import KIND, Importer, Source, read_lines
from headscope.datasets.schema import Row

FILES = "*_stereotyped_type[12].txt.*"
NAME = re.compile(r"(pro|anti)_stereotyped_(type[12])\.txt\.(\w+)$")
LINE = re.compile(r"(\d+)\s+(.*\S)")
MARKED = re.compile(r"\[([^\]]*)\]")
ARTICLE = re.compile(r"^(?:the|a|an)\s+", re.IGNORECASE)
OCCUPATIONS = ("male_occupations.txt", "female_occupations.txt")


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One line: who is meant (without the article) and the first pronoun that says so."""

    where: str
    number: int
    text: str
    person: str
    pronoun: str

    def names(self, person: str) -> bool:
        return re.search(rf"\b{re.escape(person)}\b", self.text, re.IGNORECASE) is not None


def rows(source: Source) -> Iterator[Row]:
    """Two prompts a sentence, one for each person; `group` is pro or anti, the pair is the line in both files.

    The other person is the one that the neighbouring line (1 and 2, 3 and 4, ...) marks, else the only other of the
    folder's lists of occupations.
    """
    for file in source.files(FILES):
        found = NAME.search(file.name)
        if found is None:
            raise InputError(f"{file.name}: expected a name like pro_stereotyped_type1.txt.dev.", kind=KIND)
        side, kind, split = found.groups()
        sentences = {item.number: item for item in _sentences(source, file)}
        occupations = _occupations(file.parent)
        for sentence in sentences.values():
            partner = sentences.get(sentence.number + (1 if sentence.number % 2 else -1))
            other = _other(sentence, partner, occupations)
            if other is None:
                source.left_out[
                    "sentences whose other person is in neither the next line nor a list of occupations"
                ] += 1
                continue
            pair = f"{kind}-{split}-{sentence.number}"
            for candidate, person in (("answer", sentence.person), ("other", other)):
                values = coreference.values(
                    f"{pair}-{side}", sentence.text, sentence.pronoun, candidate, f"the {person}",
                    group=side, pair_id=pair, tags=["winobias", kind, split, side],
                )  # fmt: skip
                yield Row(sentence.where, values)


def _sentences(source: Source, file: Path) -> Iterator[_Sentence]:
    for number, line in enumerate(read_lines(file), 1):
        where = f"{file.name} line {number}"
        if not line.strip():
            continue
        numbered, marked = LINE.fullmatch(line.strip()), MARKED.findall(line)
        if numbered is None or len(marked) < 2:
            source.problems.add(
                where, ": expected a number and a sentence with a [person] and a [pronoun] in brackets."
            )
            continue
        text = MARKED.sub(r"\1", numbered[2])
        yield _Sentence(where, int(numbered[1]), text, ARTICLE.sub("", marked[0].strip()), marked[1].strip())


def _occupations(folder: Path) -> list[str]:
    files = [folder / name for name in OCCUPATIONS if (folder / name).is_file()]
    return [line.strip() for file in files for line in read_lines(file) if line.strip()]


def _other(sentence: _Sentence, partner: _Sentence | None, occupations: list[str]) -> str | None:
    mine = sentence.person.lower()
    if partner is not None and partner.person.lower() != mine and sentence.names(partner.person):
        return partner.person
    named = [name for name in occupations if name.lower() != mine and sentence.names(name)]
    return named[0] if len(named) == 1 else None


IMPORTER = Importer(
    name="winobias",
    label="WinoBias",
    licence="MIT (as published)",
    purpose="Is a pronoun resolved better where the answer fits the stereotype of an occupation? (Zhao et al. 2018)",
    reads="the folder of pro_/anti_stereotyped_type1/2.txt.dev/test, or one of them",
    rows=rows,
)
