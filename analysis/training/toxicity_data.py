"""Training and test rows of the toxicity classifier: a file of labelled texts, and the sentences of this project."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd
import yaml

from headscope.analysis.classifiers.labels import LABELS
from headscope.analysis.errors import InputError
from headscope.analysis.training.labelled import LabelledTexts

OWN = Path(__file__).with_name("own_sentences.yaml")
COLUMNS = ("src", "split", "text", *LABELS)
DAVIDSON_ROWS = 4_000
"""Most of that set is casual swearing labelled offensive, much of it African-American English: a taste of it only."""
NEUTRAL_SOURCES = ("own_neutral", "toxigen_seed")
NEUTRAL_COPIES = 3
OWN_PER_KIND = 400
"""Rows drawn from each kind of our sentences: a template filled in two hundred ways is one idea."""


def read_mix(path: Path, split: str) -> LabelledTexts:
    """The rows of one split (`train` or `test`) of a csv file with the columns src, split, text and one per label.

    Raises InputError when the file or a column is missing.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. The classifier's data is not part of Headscope.", "training_data")
    frame = pd.read_csv(path)
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}.", "training_data")
    return _labelled(frame[frame["split"] == split])


def training_rows(path: Path, seed: int = 0) -> LabelledTexts:
    """What the classifier is trained on: the file's train rows, rebalanced, and our own sentences, shuffled."""
    frame = _frame(read_mix(path, "train"))
    davidson = frame[frame["src"] == "davidson"]
    neutral = frame[frame["src"].isin(NEUTRAL_SOURCES)]
    parts = [
        frame[frame["src"] != "davidson"],
        davidson.sample(min(DAVIDSON_ROWS, len(davidson)), random_state=seed),
        *[neutral] * (NEUTRAL_COPIES - 1),
        _frame(own_sentences("train", seed)),
    ]
    return _labelled(pd.concat(parts).sample(frac=1, random_state=seed))


def own_sentences(part: str, seed: int = 0) -> LabelledTexts:
    """Our sentences, `train` or `held_out`, at most `OWN_PER_KIND` of each kind; the source is `own/KIND`."""
    return filled_kinds(yaml.safe_load(OWN.read_text(encoding="utf-8")), part, OWN_PER_KIND, seed)


def filled_kinds(document: dict[str, Any], part: str, per_kind: int, seed: int) -> LabelledTexts:
    """The templates of `part` in every kind of `document`, their slots filled: about `per_kind` rows of each kind."""
    generator = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for kind, content in document["kinds"].items():
        templates = content[part]
        each = max(1, per_kind // len(templates))
        for template in templates:
            filled = _filled(template, document["slots"])
            chosen = generator.permutation(len(filled))[:each]
            rows += [{"src": f"own/{kind}", "text": filled[i], **content["labels"]} for i in sorted(chosen)]
    return _labelled(pd.DataFrame(rows))


def joined(parts: Sequence[LabelledTexts]) -> LabelledTexts:
    """One after the other."""
    return _labelled(pd.concat([_frame(part) for part in parts]))


def sample(rows: LabelledTexts, n: int, seed: int) -> LabelledTexts:
    """`n` of the rows, or all of them, in random order."""
    frame = _frame(rows)
    return _labelled(frame.sample(min(n, len(frame)), random_state=seed))


def _filled(template: str, slots: dict[str, list[str]]) -> list[str]:
    names = list(dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name))
    ways = product(*(slots[name] for name in names))
    texts = [template.format(**dict(zip(names, way, strict=True))) for way in ways]
    return [text[0].upper() + text[1:] for text in texts]


def _labelled(frame: pd.DataFrame) -> LabelledTexts:
    labels = frame.reindex(columns=list(LABELS)).to_numpy(np.float32)
    return LabelledTexts(tuple(frame["text"].astype(str)), tuple(frame["src"].astype(str)), labels)


def _frame(rows: LabelledTexts) -> pd.DataFrame:
    labels = pd.DataFrame(rows.labels, columns=list(LABELS))
    return pd.concat([pd.DataFrame({"src": rows.sources, "text": rows.texts}), labels], axis=1)
