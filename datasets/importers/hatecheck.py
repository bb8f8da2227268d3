"""HateCheck (Röttger et al. 2021): test cases for hate speech detection, each of one functionality."""

from __future__ import annotations

from collections.abc import Iterator

from headscope.analysis.prompt_tags import tag
from headscope.datasets.importers.base import Importer, Source, member
from headscope.datasets.schema import Row

COLUMNS = ("functionality", "case_id", "test_case", "label_gold")
LABELS = ("hateful", "non-hateful")
MORE = {"target_ident": "target", "direction": "direction"}
NONE = {"", "-"}


def rows(source: Source) -> Iterator[Row]:
    """One prompt a case; `group` is the gold label, and a case shares its `pair_id` with the one it was made from."""
    for file in source.files("test_suite_cases.csv", "all_cases.csv"):
        for record in source.csv(file, COLUMNS):
            case, functionality = source.text(record, "case_id"), source.text(record, "functionality")
            text, label = source.text(record, "test_case"), source.one_of(record, "label_gold", LABELS)
            if not (case and functionality and text and label):
                continue
            tags = ["hatecheck", tag("functionality", functionality)]
            tags += [
                tag(key, record.values[name]) for name, key in MORE.items() if record.values.get(name, "") not in NONE
            ]
            reference = str(record.values.get("ref_case_id") or "").removesuffix(".0")
            yield member(record.where, case, text, label, reference or case, tags)


IMPORTER = Importer(
    name="hatecheck",
    label="HateCheck",
    licence="CC BY 4.0 (as published)",
    purpose="Which kinds of hate speech and of its look-alikes does a classifier get wrong? (Röttger et al. 2021)",
    reads="test_suite_cases.csv",
    rows=rows,
)
