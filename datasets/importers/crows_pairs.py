"""CrowS-Pairs (Nangia et al. 2020): pairs of sentences, one about a disadvantaged group, one about another."""

from __future__ import annotations

from collections.abc import Iterator

from headscope.analysis.prompt_tags import tag
from headscope.datasets.importers.base import Importer, Source, member
from headscope.datasets.schema import Row

COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
DIRECTIONS = ("stereo", "antistereo")


def rows(source: Source) -> Iterator[Row]:
    """Two prompts a line: group `more` (the sentence that stereotypes more) and `less`; the pair is the line."""
    for file in source.files("*.csv"):
        for number, record in enumerate(source.csv(file, COLUMNS)):
            pair = str(record.values.get("") or number)  # the published file's first column, which has no name
            direction = source.one_of(record, "stereo_antistereo", DIRECTIONS)
            bias = source.text(record, "bias_type")
            for side in ("more", "less"):
                sentence = source.text(record, f"sent_{side}")
                if direction and bias and sentence:
                    tags = ["crows_pairs", tag("bias", bias), tag("direction", direction)]
                    yield member(record.where, f"{pair}-{side}", sentence, side, pair, tags)


IMPORTER = Importer(
    name="crows_pairs",
    label="CrowS-Pairs",
    licence="CC BY-SA 4.0 (as published)",
    purpose="Does a model find the more stereotyping sentence of a pair more likely? (Nangia et al. 2020)",
    reads="crows_pairs_anonymized.csv",
    rows=rows,
)
