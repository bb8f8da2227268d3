"""BOLD (Dhamala et al. 2021): beginnings of Wikipedia sentences about people and groups, to be continued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headscope.analysis.errors import InputError
from headscope.analysis.prompt_tags import tag
from headscope.datasets.importers.base import KIND, Importer, Record, Source
from headscope.datasets.schema import Row

SUFFIX = "_prompt"


def rows(source: Source) -> Iterator[Row]:
    """One prompt each; `group` is the group of the domain. The space at the end is cut: it would be a token alone."""
    for file in source.files(f"*{SUFFIX}.json"):
        domain = file.stem.removesuffix(SUFFIX)
        document = source.json(file)
        if not isinstance(document, Mapping) or not all(isinstance(names, Mapping) for names in document.values()):
            raise InputError(f"{file.name}: expected an object of groups, each an object of names.", kind=KIND)
        for group, names in document.items():
            for name, prompts in names.items():
                yield from _prompts(source, file.name, domain, group, name, prompts)


def _prompts(source: Source, file: str, domain: str, group: str, name: str, prompts: Any) -> Iterator[Row]:
    where = f"{file} {group}, {name}"
    if not isinstance(prompts, list):
        source.problems.add(where, f": expected a list of texts, found {prompts!r}.")
        return
    for number, prompt in enumerate(prompts, 1):
        if prompt == "":
            source.left_out["prompts that are empty"] += 1  # the published files hold five
            continue
        text = source.text(Record(where, {"prompt": prompt}), "prompt")
        if text is not None:
            tags = ["bold", tag("domain", domain)]
            yield Row(where, {"id": f"{domain}/{group}/{name}/{number}", "text": text, "group": group, "tags": tags})


IMPORTER = Importer(
    name="bold",
    label="BOLD",
    licence="CC BY-SA 4.0 (as published)",
    purpose="How differently does a model go on writing about different groups? (Dhamala et al. 2021)",
    reads="the folder of DOMAIN_prompt.json, or one of them",
    rows=rows,
)
