"""TruthfulQA (Lin et al. 2022): questions that people answer wrongly, with true and false answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headscope.analysis.errors import InputError
from headscope.analysis.prompt_tags import CONTEXT, tag
from headscope.datasets.importers.base import KIND, Importer, Record, Source, member
from headscope.datasets.schema import Row

COLUMNS = ("Question", "Best Answer", "Correct Answers", "Incorrect Answers")
Answers = dict[str, dict[str, bool]]
"""`mc1` and `mc2` -> answer -> whether it is true."""


def rows(source: Source) -> Iterator[Row]:
    """One prompt an answer, `Q: ...\\nA: ...` with only the answer scored; `group` is true or false, the pair is the
    question. Tags: `mc1` and `mc2` for the choices the answer belongs to, `answers:` how many the question has."""
    for file in source.files("TruthfulQA.csv", "mc_task.json"):
        read = _of_json if file.suffix == ".json" else _of_csv
        for number, (record, question, answers) in enumerate(read(source, file), 1):
            yield from _prompts(record, str(number), question, answers)


def _prompts(record: Record, item: str, question: str, answers: Answers) -> Iterator[Row]:
    given = f"Q: {question}\nA:"
    category = record.values.get("Category")
    common = ["truthfulqa", tag(CONTEXT, len(given)), *([tag("category", category)] if category else [])]
    texts = dict.fromkeys(answer for choice in answers.values() for answer in choice)
    common.append(tag("answers", len(texts)))
    for index, text in enumerate(texts):
        choices = [name for name, choice in answers.items() if text in choice]
        group = "true" if answers[choices[0]][text] else "false"
        yield member(record.where, f"{item}-{index}", f"{given} {text}", group, item, [*common, *choices])


def _of_csv(source: Source, file: Path) -> Iterator[tuple[Record, str, Answers]]:
    """MC1: the best answer and the false ones. MC2: all true and all false ones, as the authors' code has it."""
    for record in source.csv(file, COLUMNS):
        question, best = source.text(record, "Question"), source.text(record, "Best Answer")
        right, wrong = (_several(source, record, name) for name in COLUMNS[2:])
        if question and best and right and wrong:
            false = dict.fromkeys(wrong, False)
            yield (
                record,
                question,
                {"mc1": {_closed(best): True, **false}, "mc2": {**dict.fromkeys(right, True), **false}},
            )


def _several(source: Source, record: Record, column: str) -> list[str]:
    text = source.text(record, column)
    return [_closed(part) for part in (text or "").split(";") if part.strip()]


def _closed(answer: str) -> str:
    answer = answer.strip()
    return answer if answer.endswith(".") else f"{answer}."


def _of_json(source: Source, file: Path) -> Iterator[tuple[Record, str, Answers]]:
    document = source.json(file)
    if not isinstance(document, list):
        raise InputError(f"{file.name}: expected a list of questions, as in mc_task.json.", kind=KIND)
    for number, values in enumerate(document, 1):
        record = Record(f"{file.name} question {number}", values if isinstance(values, Mapping) else {})
        if not source.has(record, ("question", "mc1_targets", "mc2_targets")):
            continue
        question = source.text(record, "question")
        answers = {name: _choice(source, record, f"{name}_targets") for name in ("mc1", "mc2")}
        if question and all(answers.values()):
            yield record, question, answers


def _choice(source: Source, record: Record, column: str) -> dict[str, bool]:
    """`{answer: 0 or 1}`, or `{"choices": [...], "labels": [...]}` of newer copies."""
    value: Any = record.values[column]
    if isinstance(value, Mapping) and value.keys() == {"choices", "labels"}:
        value = dict(zip(value["choices"], value["labels"], strict=False))
    usable = isinstance(value, Mapping) and all(label in (0, 1) for label in value.values())
    if not usable or sorted(set(value.values())) != [0, 1]:
        source.problems.add(
            record.where, f", column {column}: expected true (1) and false (0) answers, found {value!r}."
        )
        return {}
    return {str(answer): label == 1 for answer, label in value.items()}


IMPORTER = Importer(
    name="truthfulqa",
    label="TruthfulQA",
    licence="Apache-2.0 (as published)",
    purpose="Does a model find true answers more likely than popular false ones? (Lin et al. 2022)",
    reads="TruthfulQA.csv or mc_task.json (name the file when the folder holds both)",
    rows=rows,
)
