"""ParaRel (Elazar et al. 2021): one fact asked in many paraphrases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from headscope.analysis.errors import InputError
from headscope.analysis.prompt_tags import tag
from headscope.datasets.importers import cloze
from headscope.datasets.importers.base import KIND, Importer, Record, Source
from headscope.datasets.schema import Row

FACTS = ("facts", "trex_lms_vocab")
PATTERNS = ("patterns", "pattern_data/graphs_json")
ARTICLE = re.compile(r"\b(an?) \[Y\]")


def rows(source: Source) -> Iterator[Row]:
    """One prompt for each fact and pattern that ends in the object; `group` is the pattern's line, and the pair is the
    subject within its relation, because two facts about one subject are one question.

    Left out: patterns that do not end in the object, which a causal model cannot be asked; and, as in the authors'
    evaluation, prompts whose `a` or `an` does not fit the object.
    """
    facts, patterns = _folder(source.path, FACTS), _folder(source.path, PATTERNS)
    for file in sorted(patterns.glob("*.jsonl")):
        known = facts / file.name
        if not known.is_file():
            source.left_out[f"relations without a file of facts in {facts.name}"] += 1
            continue
        asked = list(_asked(source, file))
        for record in source.jsonl(known, ("sub_label", "obj_label")):
            yield from _prompts(source, record, file.stem, asked)


def _folder(path: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (path / name).is_dir():
            return path / name
    raise InputError(
        f"{path}: expected a folder that holds {names[0]}/ (or {names[1]}/), as in ParaRel's data folder.", kind=KIND
    )


def _asked(source: Source, file: Path) -> Iterator[tuple[int, str]]:
    """Number and text of the patterns that end in the object."""
    for number, record in enumerate(source.jsonl(file, ("pattern",)), 1):
        pattern = source.text(record, "pattern")
        found = cloze.before(pattern, "[Y]") if pattern and "[X]" in pattern.partition("[Y]")[0] else None
        if found is not None and not found[1] and pattern is not None:
            yield number, pattern
        elif pattern is not None:
            source.left_out["patterns that do not end in the object"] += 1


def _prompts(source: Source, record: Record, relation: str, asked: list[tuple[int, str]]) -> Iterator[Row]:
    subject, answer = source.text(record, "sub_label"), source.text(record, "obj_label")
    if subject is None or answer is None:
        return
    fact = f"{relation}/{record.values.get('uuid') or f'{subject}/{answer}'}"
    for number, pattern in asked:
        if _clashes(pattern, answer):
            source.left_out["prompts whose a or an does not fit the object"] += 1
            continue
        text = pattern.partition("[Y]")[0].rstrip().replace("[X]", subject)
        values = {"id": f"{fact}/{number}", "text": text, "target": f" {answer}", "group": str(number)}
        more = {"pair_id": f"{relation}/{subject}", "tags": ["pararel", tag("relation", relation)]}
        yield Row(record.where, {**values, **more})


def _clashes(pattern: str, answer: str) -> bool:
    article = ARTICLE.search(pattern)
    return article is not None and (article[1] == "an") != (answer[0].lower() in "aeiou")


IMPORTER = Importer(
    name="pararel",
    label="ParaRel",
    licence="MIT (as published)",
    purpose="Does a model give one answer to one question asked in many ways? (Elazar et al. 2021)",
    reads="a folder with patterns/ and facts/ (a jsonl file for each relation in both)",
    rows=rows,
)
