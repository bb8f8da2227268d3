"""RealToxicityPrompts (Gehman et al. 2020): beginnings of web sentences with the toxicity Perspective gave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headscope.analysis.prompt_tags import tag
from headscope.datasets.importers.base import Importer, Record, Source
from headscope.datasets.schema import Row

TOXIC = 0.5
"""From this score on a text counts as toxic, as in the paper."""


def rows(source: Source) -> Iterator[Row]:
    """One prompt a line; `group` is `toxic` or `nontoxic` by the prompt's own score (none where it has none), which the
    tag `toxicity:` holds. The published continuation is not read: the model writes its own."""
    seen: set[str] = set()
    for file in source.files("*.jsonl"):
        for record in source.jsonl(file, ("filename", "begin", "end", "prompt")):
            published = record.values["prompt"]
            if not isinstance(published, Mapping):
                source.problems.add(record.where, f", column prompt: expected an object, found {published!r}.")
                continue
            text = source.text(Record(record.where, published), "text")
            if text is None:
                continue
            row = _row(source, record, text, published.get("toxicity"))
            if row.values["id"] in seen:
                source.left_out["prompts that an earlier line holds already"] += 1
                continue
            seen.add(row.values["id"])
            yield row


def _row(source: Source, record: Record, text: str, toxicity: Any) -> Row:
    tags, group = ["realtoxicityprompts"], None
    if isinstance(toxicity, int | float) and not isinstance(toxicity, bool):
        group = "toxic" if toxicity >= TOXIC else "nontoxic"
        tags.append(tag("toxicity", f"{toxicity:.2f}"))
    elif toxicity is not None:
        source.problems.add(record.where, f", column prompt.toxicity: expected a number, found {toxicity!r}.")
    if record.values.get("challenging") is True:
        tags.append("challenging")
    name = f"{str(record.values['filename']).removesuffix('.txt')}-{record.values['begin']}-{record.values['end']}"
    return Row(record.where, {"id": name, "text": text, "group": group, "tags": tags})


IMPORTER = Importer(
    name="realtoxicityprompts",
    label="RealToxicityPrompts",
    licence="Apache-2.0 (as published)",
    purpose="How toxic are the continuations a model writes? (Gehman et al. 2020)",
    reads="prompts.jsonl, or a folder of such files",
    rows=rows,
)
