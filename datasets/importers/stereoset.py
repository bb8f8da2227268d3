"""StereoSet (Nadeem et al. 2021): a stereotype, an anti-stereotype and an unrelated option for each context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headscope.analysis.errors import InputError
from headscope.analysis.prompt_tags import CONTEXT, tag
from headscope.datasets.importers.base import KIND, Importer, Record, Source, member
from headscope.datasets.schema import Row

TASKS = ("intrasentence", "intersentence")
LABELS = ("stereotype", "anti-stereotype", "unrelated")
FIELDS = ("id", "target", "bias_type", "context", "sentences")


def rows(source: Source) -> Iterator[Row]:
    """Three prompts an example, `group` is the gold label. Intersentence: the context, then the scored sentence."""
    for file in source.files("dev.json", "test.json"):
        document = source.json(file)
        data = document.get("data") if isinstance(document, Mapping) else None
        if not isinstance(data, Mapping) or not set(TASKS) & data.keys():
            raise InputError(
                f"{file.name}: expected an object with data.intrasentence and data.intersentence, as in StereoSet's "
                "dev.json.",
                kind=KIND,
            )
        for task in TASKS:
            for number, example in enumerate(data.get(task, []), 1):
                yield from _example(source, task, f"{file.name} {task} {number}", example)


def _example(source: Source, task: str, where: str, example: Any) -> Iterator[Row]:
    if not isinstance(example, Mapping):
        source.problems.add(where, f": expected an object, found {example!r}.")
        return
    record = Record(where, example)
    if not source.has(record, FIELDS):
        return
    name, target, bias, context = (source.text(record, field) for field in FIELDS[:4])
    if not (name and target and bias and context):
        return
    labels = [option.get("gold_label") for option in example["sentences"] if isinstance(option, Mapping)]
    if sorted(map(str, labels)) != sorted(LABELS):
        source.problems.add(where, f", column sentences: expected one {', one '.join(LABELS)}; found {labels}.")
        return
    common = ["stereoset", task, tag("bias", bias), tag("target", target)]
    for sentence in example["sentences"]:
        text, label, tags = source.text(Record(where, sentence), "sentence"), sentence["gold_label"], common
        if text is None:
            continue
        if task == "intersentence":
            text, tags = f"{context} {text}", [*common, tag(CONTEXT, len(context))]
        yield member(where, f"{name}-{label}", text, label, name, tags)


IMPORTER = Importer(
    name="stereoset",
    label="StereoSet",
    licence="CC BY-SA 4.0 (as published)",
    purpose="Does a model prefer stereotypes to anti-stereotypes, and sense to nonsense? (Nadeem et al. 2021)",
    reads="dev.json",
    rows=rows,
)
