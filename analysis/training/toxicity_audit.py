"""Everything the model card states, worked out in one go and written beside the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from headscope.analysis.classifiers.card import CARD_FILE, ERRORS_FILE
from headscope.analysis.classifiers.loaded import TextClassifier
from headscope.analysis.classifiers.sequence import SequenceClassifier
from headscope.analysis.errors import InputError
from headscope.analysis.statistics.calibration import calibration_error
from headscope.analysis.statistics.intervals import bootstrap_means
from headscope.analysis.training import functional_tests
from headscope.analysis.training import toxicity_report as report
from headscope.analysis.training.figures import plain
from headscope.analysis.training.labelled import LabelledTexts
from headscope.analysis.training.toxicity_data import OWN, read_mix

TOXIC = "toxic"
SWAPPED = "names_a_group"


def calibrated(classifier: SequenceClassifier, data: Path) -> SequenceClassifier:
    """The classifier with slopes, offsets and thresholds fitted on the calibration half of the test split."""
    fitted = report.calibrate(classifier, report.halves(read_mix(data, "test"))[0])
    return SequenceClassifier(classifier.name, classifier.model, classifier.tokenizer, classifier.labels, fitted)


def card_of(classifier: SequenceClassifier, baseline: TextClassifier, data: Path) -> dict[str, Any]:
    """Figures of the classifier and the linear baseline, and what `audit` says of both; plain JSON."""
    threshold = classifier.calibration[TOXIC].threshold
    stated: dict[str, Any] = plain(
        {
            "classifier": classifier.name,
            "threshold": threshold,
            "figures": [asdict(figure) for figure in report.figures(classifier, data, threshold)],
            "baseline": {
                "classifier": baseline.name,
                "figures": [asdict(figure) for figure in report.figures(baseline, data, baseline.threshold(TOXIC))],
            },
        }
    )
    return stated | {"audit": audits((classifier, baseline), data)}


def audits(judges: Sequence[TextClassifier], data: Path) -> dict[str, Any]:
    """By the classifier's name: its threshold, calibration curve on the report half of `data`'s test split, groups
    exchanged, functional tests; plain JSON. The label `toxic` is every classifier's first."""
    rows = report.halves(read_mix(data, "test"))[1]
    return {judge.name: plain(_audit(judge, rows)) for judge in judges}


def rewrite(folder: Path, judges: Sequence[TextClassifier], data: Path) -> None:
    """Measure the audit part of the card in `folder` again; its other parts stay. Raises InputError where the card is
    another classifier's."""
    path = folder / CARD_FILE
    stated = json.loads(path.read_text(encoding="utf-8"))
    of, measured = [stated["classifier"], stated["baseline"]["classifier"]], [judge.name for judge in judges]
    if of != measured:
        raise InputError(f"{path} is the card of {' and '.join(of)}, not of {' and '.join(measured)}.")
    _write(path, stated | {"audit": audits(judges, data)})


def _audit(judge: TextClassifier, rows: LabelledTexts) -> dict[str, Any]:
    scores, truth, threshold = judge.score(rows.texts)[:, 0], rows.labels[:, 0], judge.threshold(TOXIC)
    curve = asdict(calibration_error(scores, truth, draws=report.DRAWS))
    return {
        "threshold": threshold,
        "reliability": {name: value.tolist() if hasattr(value, "tolist") else value for name, value in curve.items()},
        "identity_swaps": identity_swaps(judge, threshold),
        "functional": [asdict(test) for test in functional_tests.measured(judge, threshold)],
    }


def identity_swaps(judge: TextClassifier, threshold: float) -> list[dict[str, Any]]:
    """Neutral sentences with one group word exchanged for another: how the score moves with the word alone.

    shift: mean of (score with this group - mean over all groups) with its 95 % interval over held-out wordings;
    flagged: how many of the wordings are called toxic.
    """
    document = yaml.safe_load(OWN.read_text(encoding="utf-8"))
    groups, wordings = document["slots"]["group"], document["kinds"][SWAPPED]["held_out"]
    texts = [wording.format(group=group) for group in groups for wording in wordings]
    scores = judge.score(texts)[:, 0].reshape(len(groups), len(wordings)).astype(np.float64)
    shifts = scores - scores.mean(0)
    rows = []
    for group, mine, moved in zip(groups, scores, shifts, strict=True):
        means = bootstrap_means(moved)
        bounds = {"shift": float(means.mean), "low": float(means.low), "high": float(means.high)}
        said = {"flagged": int((mine >= threshold).sum()), "n": len(wordings)}
        rows.append({"group": group, "mean": float(mine.mean()), **bounds, **said})
    return sorted(rows, key=lambda row: -abs(row["shift"]))


def write(folder: Path, classifier: SequenceClassifier, baseline: TextClassifier, data: Path,
          said: Callable[[str], None] = print) -> None:  # fmt: skip
    """Calibration, card, and the error counts of both classifiers as JSON in `folder`."""
    stated = {label: asdict(item) for label, item in classifier.calibration.items()}
    (folder / "calibration.json").write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")
    _write(folder / CARD_FILE, card_of(classifier, baseline, data))
    counts = {judge.name: report.error_counts(judge, data) for judge in (classifier, baseline)}
    (folder / ERRORS_FILE).write_text(errors_json(counts), encoding="utf-8")
    said(f"wrote {folder / CARD_FILE}")


def _write(path: Path, card: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def errors_json(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for every classifier and label."""
    judges = (
        f' "{judge}": {{\n' + ",\n".join(f'  "{label}": {json.dumps(row)}' for label, row in labels.items()) + "\n }"
        for judge, labels in counts.items()
    )
    return "{\n" + ",\n".join(judges) + "\n}\n"
