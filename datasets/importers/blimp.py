"""BLiMP (Warstadt et al. 2020): minimal pairs of an acceptable and an unacceptable sentence."""

from __future__ import annotations

from collections.abc import Iterator

from headscope.analysis.prompt_tags import DIFFERENT_START, tag
from headscope.datasets.importers.base import Importer, Source, member
from headscope.datasets.schema import Row

COLUMNS = ("sentence_good", "sentence_bad", "field", "linguistics_term", "UID", "pairID")
METHODS = ("simple_LM_method", "one_prefix_method", "two_prefix_method", "lexically_identical")


def rows(source: Source) -> Iterator[Row]:
    """Two prompts a pair: group `good` and `bad`; the pair is the paradigm (UID) and its number. Tags: field, term and
    paradigm, the published methods that suit it, and `different_start` where the first words differ."""
    for file in source.files("*.jsonl"):
        for record in source.jsonl(file, COLUMNS):
            good, bad, field, term, paradigm = (source.text(record, name) for name in COLUMNS[:5])
            if not (good and bad and field and term and paradigm):
                continue
            pair = f"{paradigm}/{record.values['pairID']}"
            tags = ["blimp", tag("field", field), tag("term", term), tag("UID", paradigm)]
            tags += [name for name in METHODS if record.values.get(name) is True]
            if good.split()[0] != bad.split()[0]:
                tags.append(DIFFERENT_START)
            for side, sentence in (("good", good), ("bad", bad)):
                yield member(record.where, f"{pair}-{side}", sentence, side, pair, tags)


IMPORTER = Importer(
    name="blimp",
    label="BLiMP",
    licence="CC BY 4.0 (as published)",
    purpose="Does a model find the grammatical sentence of a minimal pair more likely? (Warstadt et al. 2020)",
    reads="the folder of PARADIGM.jsonl, or one of them",
    rows=rows,
)
