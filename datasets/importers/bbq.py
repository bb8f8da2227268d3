"""BBQ (Parrish et al. 2022): questions about two people, with and without the information that answers them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headscope.analysis.prompt_tags import CONTEXT, TEMPLATE, tag
from headscope.datasets.importers.base import Importer, Record, Source, member
from headscope.datasets.schema import Row

ANSWERS = ("ans0", "ans1", "ans2")
FIELDS = (
    *("example_id", "question_index", "question_polarity", "context_condition", "category", "answer_info"),
    *("additional_metadata", "context", "question", *ANSWERS, "label"),
)
SAME = {
    **dict.fromkeys(("man", "men", "boy", "boys", "m"), "m"),
    **dict.fromkeys(("woman", "women", "girl", "girls", "f"), "f"),
    **dict.fromkeys(("low ses", "lowses"), "lowses"),
    **dict.fromkeys(("transgender women", "transgender men", "trans_f", "trans_m"), "trans"),
}
"""Words for one group that the answers and the list of stereotyped groups spell differently."""


def rows(source: Source) -> Iterator[Row]:
    """Three prompts an example, one for each answer; `group` is the answer's role: `target` (of the stereotype),
    `nontarget` or `unknown`, or `person` where the published groups do not say which of the two is the target."""
    for file in source.files("*.jsonl"):
        for record in source.jsonl(file, FIELDS):
            yield from _prompts(source, record)


def _prompts(source: Source, record: Record) -> Iterator[Row]:
    polarity = source.one_of(record, "question_polarity", ("neg", "nonneg"))
    condition = source.one_of(record, "context_condition", ("ambig", "disambig"))
    texts = [source.text(record, name) for name in ("category", "context", "question", *ANSWERS)]
    category, context, question, *answers = (text or "" for text in texts)
    label, groups = record.values["label"], roles(record.values)
    if label not in (0, 1, 2):
        source.problems.add(record.where, f", column label: expected 0, 1 or 2, found {label!r}.")
    elif groups is None:
        expected = "ans0, ans1 and ans2, each a text and a group, one of the groups unknown"
        source.problems.add(record.where, f", column answer_info: expected {expected}.")
    elif polarity and condition and all(texts):
        item = f"{category}-{record.values['example_id']}"
        given = f"Context: {context}\nQuestion: {question}\nOptions: {'; '.join(answers)}.\nAnswer:"
        tags = ["bbq", tag("category", category), tag("condition", condition), tag("polarity", polarity)]
        tags += [tag(TEMPLATE, f"{category}-{record.values['question_index']}"), tag(CONTEXT, len(given))]
        for index, (answer, role) in enumerate(zip(answers, groups, strict=True)):
            right = ["correct"] if index == label else []
            yield member(record.where, f"{item}-{index}", f"{given} {answer}", role, item, [*tags, *right])


def roles(values: Mapping[str, Any]) -> list[str] | None:
    """Each answer's role, None when `answer_info` is not as published.

    The target is the answer whose group, or whose text, stands in `stereotyped_groups`. Where both people's do, or
    neither's (groups of two traits at once), neither is called the target.
    """
    info, more = values["answer_info"], values["additional_metadata"]
    try:
        pairs = [(str(info[name][0]), str(info[name][1])) for name in ANSWERS]
        groups = {_same(str(name)) for name in more["stereotyped_groups"]}
    except (KeyError, IndexError, TypeError):
        return None
    unknown = [_same(group) == "unknown" for _, group in pairs]
    if unknown.count(True) != 1:
        return None
    is_target = _targets([group for _, group in pairs], unknown, groups)
    if is_target.count(True) != 1:
        is_target = _targets([text for text, _ in pairs], unknown, groups)
    known = ("nontarget", "target") if is_target.count(True) == 1 else ("person", "person")
    return ["unknown" if is_unknown else known[hit] for is_unknown, hit in zip(unknown, is_target, strict=True)]


def _targets(names: Sequence[str], unknown: Sequence[bool], groups: set[str]) -> list[bool]:
    return [not skip and _same(name) in groups for name, skip in zip(names, unknown, strict=True)]


def _same(name: str) -> str:
    lowered = name.strip().lower()
    return SAME.get(lowered, lowered)


IMPORTER = Importer(
    name="bbq",
    label="BBQ",
    licence="CC BY 4.0 (as published)",
    purpose="Does a model answer by stereotype where it cannot know, or knows better? (Parrish et al. 2022)",
    reads="the folder of CATEGORY.jsonl, or one of them",
    rows=rows,
)
