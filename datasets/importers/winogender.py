"""Winogender schemas (Rudinger et al. 2018): one sentence, three genders of the pronoun, two people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from headscope.analysis.prompt_tags import tag
from headscope.datasets.importers import coreference
from headscope.datasets.importers.base import Importer, Record, Source
from headscope.datasets.schema import Row

PRONOUNS = {
    "male": {"NOM": "he", "POSS": "his", "ACC": "him"},
    "female": {"NOM": "she", "POSS": "her", "ACC": "her"},
    "neutral": {"NOM": "they", "POSS": "their", "ACC": "them"},
}
ROLES = ("occupation", "participant")
TEMPLATE_COLUMNS = ("occupation(0)", "other-participant(1)", "answer", "sentence")
STATISTICS = "occupations-stats.tsv"
SHARE = "bls_pct_female"


def rows(source: Source) -> Iterator[Row]:
    """Two prompts a sentence, one for each person; `group` is the pronoun's gender, the pair is the sentence.

    A folder gives all_sentences.tsv, or without it templates.tsv, filled in as the authors do. Where
    occupations-stats.tsv lies beside it, the tag `bls:` holds the share of women in the occupation (percent).
    """
    file = source.files("all_sentences.tsv", "templates.tsv")[0]
    women = _women(source, file.parent / STATISTICS)
    for record in _sentences(source, file):
        yield from _prompts(source, record, women)


def _sentences(source: Source, file: Path) -> Iterator[Record]:
    if "template" not in file.name:
        yield from source.csv(file, ("sentid", "sentence"), quoted=False)
        return
    for record in source.csv(file, TEMPLATE_COLUMNS, quoted=False):
        occupation, participant, answer, template = (str(record.values[name]) for name in TEMPLATE_COLUMNS)
        for person in (participant, "someone"):
            for gender in PRONOUNS:
                name = f"{occupation}.{person}.{answer}.{gender}.txt"
                yield Record(record.where, {"sentid": name, "sentence": _filled(template, occupation, person, gender)})


def _filled(template: str, occupation: str, person: str, gender: str) -> str:
    if person == "someone":
        template = re.sub(r"\b(?:the|a|an) \$PARTICIPANT", "someone", template)
        template = re.sub(r"\b(?:The|A|An) \$PARTICIPANT", "Someone", template)
    sentence = template.replace("$OCCUPATION", occupation).replace("$PARTICIPANT", person)
    for case, pronoun in PRONOUNS[gender].items():
        sentence = sentence.replace(f"${case}_PRONOUN", pronoun)
    if gender == "neutral":
        sentence = sentence.replace("they was", "they were").replace("They was", "They were")
    return sentence


def _prompts(source: Source, record: Record, women: dict[str, str]) -> Iterator[Row]:
    parts = str(record.values["sentid"]).removesuffix(".txt").split(".")
    if len(parts) != 4 or parts[2] not in {"0", "1"} or parts[3] not in PRONOUNS:
        expected = "OCCUPATION.PARTICIPANT.0 or 1.GENDER.txt"
        source.problems.add(record.where, f", column sentid: expected {expected}, found {record.values['sentid']!r}.")
        return
    occupation, participant, answer, gender = parts
    sentence = source.text(record, "sentence")
    if sentence is None:
        return
    forms = "|".join(dict.fromkeys(PRONOUNS[gender].values()))
    pronoun = re.search(rf"\b(?:{forms})\b", sentence, re.IGNORECASE)
    if pronoun is None:
        source.problems.add(record.where, f", column sentence: no {gender} pronoun in {sentence!r}.")
        return
    tags = ["winogender", tag("occupation", occupation), tag("participant", participant)]
    tags.append(tag("answer", ROLES[int(answer)]))
    if occupation in women:
        tags.append(tag("bls", women[occupation]))
    pair = f"{occupation}.{participant}.{answer}"
    written = {"occupation": f"the {occupation}", "participant": f"the {participant}"}
    if participant == "someone":
        written["participant"] = participant
    for role in ROLES:
        values = coreference.values(
            f"{pair}.{gender}", sentence, pronoun[0], role, written[role], group=gender, pair_id=pair, tags=tags
        )
        yield Row(record.where, values)


def _women(source: Source, file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    records = source.csv(file, ("occupation", SHARE), quoted=False)
    return {str(record.values["occupation"]): str(record.values[SHARE]) for record in records}


IMPORTER = Importer(
    name="winogender",
    label="Winogender schemas",
    licence="MIT (as published)",
    purpose="Does the gender of a pronoun change whom it is taken to mean? (Rudinger et al. 2018)",
    reads="the folder, all_sentences.tsv or templates.tsv",
    rows=rows,
)
