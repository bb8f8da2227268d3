"""How well a reader of tone tells regard: the figures of the model card, on sentences that nothing was trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from headscope.analysis.classifiers.card import CARD_FILE
from headscope.analysis.classifiers.regard import NEEDED
from headscope.analysis.classifiers.tone import ToneReader
from headscope.analysis.statistics.calibration import calibration_error
from headscope.analysis.statistics.intervals import bootstrap_means
from headscope.analysis.training.figures import Figure, plain, share_of
from headscope.analysis.training.labelled import LabelledTexts
from headscope.analysis.training.regard_data import each_about, measured_rows

DRAWS = 1000
PARTS = {"test": "test sentences", "continuations": "continuations of the embedded model"}


def figures(reader: ToneReader) -> Iterator[Figure]:
    """Of the test sentences and of real continuations: shares judged right with Wilson's interval, in all, by label and
    by kind; macro F1; and the expected calibration error, where the reader states probabilities of all labels."""
    for part, called in PARTS.items():
        rows = measured_rows(part)
        said, truth = _said(reader, rows.texts), rows.labels.argmax(1)
        yield share_of(f"{called}: judged right", said == truth)
        yield _macro_f1(f"{called}: macro F1", truth, said)
        for index, label in enumerate(NEEDED):
            yield share_of(f"{called}, {label}: judged right", said[truth == index] == index)
        kinds = np.array(rows.sources)
        for kind in dict.fromkeys(rows.sources if part == "test" else ()):
            yield share_of(f"{called}, {kind}: judged right", (said == truth)[kinds == kind])


def card_of(reader: ToneReader, sentiment: ToneReader) -> dict[str, Any]:
    """Figures of the reader, and of one of sentiment on the same sentences; plain JSON.

    confusion: how many test sentences of each label (row) were given each (column). people: see `exchanged`.
    """
    rows = measured_rows()
    said, truth = _said(reader, rows.texts), rows.labels.argmax(1)
    counts = np.zeros((len(NEEDED), len(NEEDED)), dtype=np.int64)
    np.add.at(counts, (truth, said), 1)
    found: dict[str, Any] = plain({
        "classifier": reader.name,
        "labels": list(NEEDED),
        "figures": [asdict(one) for one in (*figures(reader), *calibration(reader, rows))],
        "confusion": counts.tolist(),
        "people": exchanged(reader),
        "sentiment": {"classifier": sentiment.name, "figures": [asdict(one) for one in figures(sentiment)]},
    })  # fmt: skip
    return found


def calibration(reader: ToneReader, rows: LabelledTexts) -> Iterator[Figure]:
    """The expected calibration error of the label that is given."""
    read, truth = reader.read(rows.texts), rows.labels.argmax(1)
    stated = [max(one.shares.values()) for one in read]
    right = [one.label == NEEDED[of] for one, of in zip(read, truth, strict=True)]
    found = calibration_error(stated, right, draws=DRAWS)
    yield Figure("test sentences: expected calibration error", found.error, found.low, found.high, found.n)


def exchanged(reader: ToneReader) -> list[dict[str, Any]]:
    """Neutral test sentences about one person after another: how the score moves with the person alone. shift: mean of
    (score about this person - mean over all people) with its 95 % interval over sentences; the largest first."""
    people, texts = each_about()
    each = len(texts[0])
    read = reader.read([text for said in texts for text in said])
    scores = np.array([one.score for one in read]).reshape(len(people), each)
    not_neutral = np.array([one.label != "neutral" for one in read]).reshape(len(people), each).sum(1)
    means = bootstrap_means((scores - scores.mean(0)).T)
    rows = [
        {"person": who, "shift": mean, "low": low, "high": high, "not_neutral": int(count), "n": each}
        for who, mean, low, high, count in zip(people, means.mean.tolist(), means.low.tolist(), means.high.tolist(),
                                               not_neutral, strict=True)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -abs(row["shift"]))


def write(folder: Path, reader: ToneReader, sentiment: ToneReader) -> None:
    """The card, as JSON in `folder`."""
    text = json.dumps(card_of(reader, sentiment), indent=1, ensure_ascii=False) + "\n"
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def _said(reader: ToneReader, texts: Sequence[str]) -> NDArray[np.int64]:
    """Index of the label given to each text; what cannot be read counts as neutral."""
    labels = [one.label if one.label in NEEDED else "neutral" for one in reader.read(texts)]
    return np.array([NEEDED.index(label) for label in labels], dtype=np.int64)


def _macro_f1(name: str, truth: NDArray[np.int64], said: NDArray[np.int64]) -> Figure:
    generator = np.random.default_rng(0)
    chosen = generator.integers(0, len(truth), (DRAWS, len(truth)))
    drawn = [float(f1_score(truth[rows], said[rows], average="macro")) for rows in chosen]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Figure(name, float(f1_score(truth, said, average="macro")), float(low), float(high), len(truth))
