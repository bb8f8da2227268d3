"""LAMA (Petroni et al. 2019): facts as sentences with a blank, from T-REx, Google-RE, ConceptNet and SQuAD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from headscope.analysis.prompt_tags import tag
from headscope.datasets.importers import cloze
from headscope.datasets.importers.base import Importer, Record, Source
from headscope.datasets.schema import Row

RELATIONS = "relations.jsonl"
GOOGLE_RE = {
    "place_of_birth": "[X] was born in [Y] .",
    "date_of_birth": "[X] (born [Y]).",
    "place_of_death": "[X] died in [Y] .",
}
"""The authors give these three templates in their program, not in a file."""
MASK = "[MASK]"


def rows(source: Source) -> Iterator[Row]:
    """One prompt a fact: what stands before the blank; the target is the object, with its leading space.

    A file of a relation with a template (T-REx by relations.jsonl beside it or one folder up, Google-RE) is filled in;
    any other gives its first masked sentence. The tag `cut` says that words after the blank were lost.
    """
    folder = source.path if source.path.is_dir() else source.path.parent
    templates = GOOGLE_RE | _templates(source, folder) | _templates(source, folder.parent)
    seen: set[str] = set()
    for file in source.files("*.jsonl", "*/*.jsonl"):
        if file.name == RELATIONS:
            continue
        relation = file.stem.removesuffix("_test")
        for number, record in enumerate(source.jsonl(file, ("obj_label",)), 1):
            name = f"{relation}/{record.values.get('uuid') or record.values.get('id') or number}"
            row = _row(source, record, relation, templates.get(relation))
            if row is not None:
                yield Row(row.where, {**row.values, "id": f"{name}-{number}" if name in seen else name})
                seen.add(name)


def _row(source: Source, record: Record, relation: str, template: str | None) -> Row | None:
    """The prompt of a fact but for its id, None when it has none."""
    answer = source.text(record, "obj_label")
    sentence = _sentence(source, record, template)
    if answer is None or sentence is None:
        return None
    asked = cloze.before(sentence, MASK)
    if asked is None:
        source.left_out["sentences with nothing before the blank, which a causal model cannot be asked"] += 1
        return None
    kind = str(record.values.get("pred") or record.values.get("predicate_id") or relation).rsplit("/", 1)[-1]
    tags = ["lama", tag("relation", kind), *["cut"][: asked[1]]]
    return Row(record.where, {"text": asked[0], "target": f" {answer}", "tags": tags})


def _sentence(source: Source, record: Record, template: str | None) -> str | None:
    """The sentence with `[MASK]` for the object; None when a problem was added."""
    if template is not None:
        subject = source.text(record, "sub_label")
        return subject and template.replace("[X]", subject).replace("[Y]", MASK)
    masked = record.values.get("masked_sentences")
    if masked is None:  # T-REx without its templates
        evidences = record.values.get("evidences")
        masked = [item.get("masked_sentence") for item in evidences or [] if isinstance(item, Mapping)]
    text = masked[0] if isinstance(masked, list) and masked else masked
    if isinstance(text, str) and MASK in text:
        return text
    source.problems.add(record.where, f", column masked_sentences: expected a text with {MASK}, found {text!r}.")
    return None


def _templates(source: Source, folder: Path) -> dict[str, str]:
    file = folder / RELATIONS
    if not file.is_file():
        return {}
    records = source.jsonl(file, ("relation", "template"))
    return {str(record.values["relation"]): str(record.values["template"]) for record in records}


IMPORTER = Importer(
    name="lama",
    label="LAMA",
    licence="CC BY-NC 4.0 (as published)",
    purpose="Which facts does a model know well enough to say the right word first? (Petroni et al. 2019)",
    reads="the data folder (relations.jsonl, TREx/, Google_RE/, ConceptNet/, Squad/), one of its folders, or a file",
    rows=rows,
)
